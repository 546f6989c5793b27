import { faultOf } from './contract.ts';

/** Reads the events of a stream, whatever pieces they come in; comments are left out. */
export function eventReader(): (chunk: Uint8Array) => { id?: string; event?: string; data?: unknown }[] {
  const decoder = new TextDecoder();
  let text = '';
  return (chunk) => {
    const blocks = (text + decoder.decode(chunk, { stream: true })).split('\n\n');
    text = blocks.pop()!;
    return blocks
      .map((block) =>
        Object.fromEntries(
          block
            .split('\n')
            .filter((line) => /^(id|event|data): /.test(line))
            .map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)]),
        ),
      )
      .map(({ data, ...rest }) => ({ ...rest, ...(data === undefined ? {} : { data: JSON.parse(data) }) }));
  };
}

/** Passes a stream of events on, and holds each of them against the document. */
export function heldAgainstContract(
  onBreach: (breach: string) => void,
): TransformStream<Uint8Array, Uint8Array> {
  const read = eventReader();
  return new TransformStream({
    transform(chunk, controller) {
      for (const event of read(chunk)) {
        if (!('data' in event)) continue; // a heartbeat
        const fault = faultOf('/components/schemas/HubEvent', event);
        if (fault) onBreach(`an event of the stream: ${fault}`);
      }
      controller.enqueue(chunk);
    },
  });
}
