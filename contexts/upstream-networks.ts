import { NetworkList } from './networks.ts';

/**
 * Where no cluster's upstream is, whoever names it: what is there answers to the machine that asks, and so would
 * answer a tenant with what is the gateway's own (the credentials of a cloud's metadata service). The hub refuses an
 * upstream that is written as such an address; a gateway connects to none, however it was named.
 *
 * IPv4 addresses count also in their IPv6 form (`::ffff:169.254.169.254`), as everywhere in networks.ts.
 */
export const neverUpstream: readonly string[] = [
  '169.254.0.0/16', // link-local: the metadata of AWS, Google, Azure and others, and of containers and pods on AWS
  'fe80::/10', // link-local
  'fd00:ec2::/32', // what AWS offers to an instance over IPv6
  'fd20:ce::254/128', // the metadata of Google over IPv6
  '168.63.129.16/32', // the host of a machine at Azure
  '100.100.100.200/32', // the metadata of Alibaba
  '192.0.0.192/32', // the metadata of Oracle, formerly
  '64:ff9b::a9fe:0/112', // link-local, through a NAT64
  '0.0.0.0/8', // unspecified, which is this machine
  '::/128',
];

/** The machine itself. */
export const loopback: readonly string[] = ['127.0.0.0/8', '::1/128'];

const never = new NetworkList(neverUpstream);

/** Whether the host of a URL is plainly such an address, in any of the ways to write it. What a name resolves to, only a connection can tell. */
export function isNeverUpstream(url: string): boolean {
  const hostname = URL.parse(url)?.hostname ?? '';
  return never.has(hostname.replace(/^\[|\]$/g, ''));
}
