/**
 * Schemas as types: what a document holds, and a client whose documents are opened by their schema's name. What is typed here comes
 * from `syncline generate typescript`; a client that has no types opens the same documents, and they hold `any`.
 */
import type { ClientCore, SchemaOption } from './client.js';
import type { AnyFields, DocumentWith } from './document.js';
import type { Register } from './index.js';

/** By schema the fields of its documents: `{ post: { likes: Counter } }`. */
export type AnySchemas = { readonly [schema: string]: AnyFields };
/** Those that the app has declared for all its clients, if it has (see `Register`). */
export type RegisteredSchemas = Register extends { readonly schemas: infer Schemas } ? Schemas : AnySchemas;

declare const SCHEMAS: unique symbol;
/** A schema as `connect` takes it, which knows its types. */
export type SchemaOf<Schemas> = SchemaOption & { readonly [SCHEMAS]?: Schemas };

/** What may be opened: any text where it is not known before, and of what is, a name whose schema there is. */
export type NameIn<Schemas, Name extends string> =
  string extends Name ? Name : Name extends `${keyof Schemas & string}/${string}` ? Name : `${keyof Schemas & string}/${string}`;

/** The document of that name. */
export type DocumentNamed<Schemas, Name extends string> =
  Name extends `${infer Schema}/${string}` ? DocumentWith<Schema extends keyof Schemas ? Schemas[Schema] : AnyFields>
    : DocumentWith<AnyFields>;

/** An argument that is refused unless `Fields` was written out. */
export type IfGiven<Fields, Argument> = [Fields] extends [never] ? never : Argument;

type Open<Schemas> = {
  /** The document with the fields that are written out: `client.open<Post>(name)`. */
  open<Fields = never>(name: IfGiven<Fields, string>): DocumentWith<Fields>;
  /** The document, with the fields of its schema: `client.open('post/42')`. */
  open<Name extends string>(name: NameIn<Schemas, Name>): DocumentNamed<Schemas, Name>;
};

/** What every object has, and what others ask any object for: `await client` would open a document. */
type NoSchema = keyof Object | 'then' | 'toJSON';

/** But for those of names that a client, or any object, has itself. */
type Openers<Schemas> = {
  /** Opens the document of this schema that has the key: `client.post('42')` is `client.open('post/42')`. */
  readonly [Schema in Exclude<keyof Schemas & string, keyof ClientCore | NoSchema>]: (key: string) => DocumentWith<Schemas[Schema]>;
};

export type Client<Schemas = RegisteredSchemas> = Omit<ClientCore, 'open'> & Open<Schemas> & Openers<Schemas>;

const NO_SCHEMA = new Set<string>(['then', 'toJSON'] satisfies NoSchema[]);
const SCHEMA_NAME = /^[A-Za-z][\w-]{0,63}$/;

/**
 * The client with an opener for each schema there could be: before the hub has said which there are, nobody knows, and a document of
 * one that there is not is refused by the hub. What the client has itself stays.
 */
export function withOpeners<Schemas>(core: ClientCore): Client<Schemas> {
  const openers = new Map<string, (key: string) => unknown>();
  function opener(schema: string) {
    const open = openers.get(schema) ?? ((key: string) => core.open(`${schema}/${key}`));
    openers.set(schema, open);
    return open;
  }
  return new Proxy(core, {
    get: (target, name) => (typeof name === 'symbol' || name in target || NO_SCHEMA.has(name) || !SCHEMA_NAME.test(name)
      ? Reflect.get(target, name) : opener(name)),
  }) as unknown as Client<Schemas>;
}
