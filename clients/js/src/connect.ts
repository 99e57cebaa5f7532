/** The package's way in: a client with its types. */
import { createClient, type ConnectOptions } from './client.js';
import { withOpeners, type Client, type RegisteredSchemas, type SchemaOf } from './schema.js';

/**
 * A client of the hub at `url`. Its documents have the types of `connect<Schemas>`, or of the `schema` that `syncline generate
 * typescript` has made, or of `Register`.
 */
export function connect<Schemas = RegisteredSchemas>(
  url: string, options: Omit<ConnectOptions, 'schema'> & {
    /** With it documents can be edited before the first connection, once `ready`; of the hub's fields, by name, with their types. */
    schema?: SchemaOf<Schemas>;
  } = {}): Client<Schemas> {
  return withOpeners<Schemas>(createClient(url, options));
}
