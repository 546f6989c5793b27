import { routes } from '../routes.ts';
import { type ApiDocument, openApiDocument } from './document.ts';

/** The document of the hub's whole API: what a running hub serves as `/openapi.json`. */
export function hubApiDocument(): ApiDocument {
  return openApiDocument(routes);
}
