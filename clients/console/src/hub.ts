/** What the hub is asked, and its answers, read with care: another version of the hub may answer otherwise (docs/protocol.md, Operator calls). */
import { CallError, type Client } from 'syncline';

export type Stats = {
  readonly now_ms: number; readonly started_ms: number; readonly hub: string; readonly journal: Uint8Array;
  readonly position: number; readonly trimmed: number;
  readonly read_only: boolean; readonly draining: boolean; readonly relaxed: boolean;
  readonly connections: number; readonly streams: number; readonly documents: number;
  readonly memory_bytes: number; readonly memory_limit: number; readonly paused: number;
  readonly updates: number; readonly edits: number; readonly rejected: number; readonly repeats: number;
  readonly batches: number; readonly batch_bytes: number;
  readonly messages_in: number; readonly bytes_in: number; readonly messages_out: number; readonly bytes_out: number;
};
export type ConnectionRow = {
  readonly id: number; readonly connected_ms: number; readonly heard_ms: number; readonly agent: string; readonly client: string;
  readonly streams: number; readonly blocked: boolean; readonly paused: boolean; readonly updates: number; readonly rejected: number;
  readonly bytes_in: number; readonly bytes_out: number; readonly pending: number; readonly behind: number;
};
export type StreamRow = {
  readonly id: number; readonly document: string; readonly cursor: number | null; readonly position: number;
  readonly pending: number; readonly replicas: number; readonly presence: boolean;
};
export type ConnectionDetail = ConnectionRow & { readonly rows: readonly StreamRow[]; readonly more: boolean };
export type ConnectionPage = { readonly connections: readonly ConnectionRow[]; readonly next: number | null; readonly total: number };
export type DocumentRow = { readonly name: string; readonly position: number; readonly streams: number; readonly in_memory: boolean };
export type DocumentPage = { readonly documents: readonly DocumentRow[]; readonly next: string | null };
export type Writer = {
  readonly replica: Uint8Array; readonly index: number; readonly seq: number; readonly position: number;
  readonly at_ms: number; readonly connection: number | null;
};
export type FieldRow = { readonly name: string; readonly type: string; readonly options: Answer };
export type DocumentDetail = {
  readonly name: string; readonly schema: string; readonly position: number; readonly stored: number; readonly streams: number;
  readonly replicas: number; readonly memory_bytes: number; readonly fields: readonly FieldRow[]; readonly writers: readonly Writer[];
};
export type RejectedRow = {
  readonly document: string; readonly replica: Uint8Array; readonly seq: number; readonly at_ms: number;
  readonly code: string; readonly text: string;
  /** Its number in the schema; null: none, or not known any more. */
  readonly field: number | null;
};
export type RejectedPage = { readonly rejected: readonly RejectedRow[]; readonly next: number | null };

type Answer = { readonly [name: string]: unknown };
type Asked = { readonly [name: string]: string | number };

/** The answer is none that this page knows. */
export class AnswerError extends Error {
  readonly code = 'ANSWER';
  constructor(what: string) { super(`The hub's answer has no ${what}: this page is of another version. Load it again.`); }
}

function mapOf(value: unknown, what: string): Answer {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new AnswerError(what);
  return value as Answer;
}

function numberOf(record: Answer, name: string): number {
  const value = record[name];
  if (typeof value !== 'number') throw new AnswerError(name);
  return value;
}

function optionalNumber(record: Answer, name: string): number | null {
  return record[name] == null ? null : numberOf(record, name);
}

/** Nil is ''. */
function textOf(record: Answer, name: string): string {
  const value = record[name] ?? '';
  if (typeof value !== 'string') throw new AnswerError(name);
  return value;
}

const flagOf = (record: Answer, name: string): boolean => record[name] === true;

function bytesOf(record: Answer, name: string): Uint8Array {
  const value = record[name];
  if (!(value instanceof Uint8Array)) throw new AnswerError(name);
  return value;
}

function listOf<Item>(record: Answer, name: string, read: (item: Answer) => Item): Item[] {
  const value = record[name];
  if (!Array.isArray(value)) throw new AnswerError(name);
  return value.map((item) => read(mapOf(item, name)));
}

function statsOf(value: unknown): Stats {
  const from = mapOf(value, 'statistics');
  const number = (name: string) => numberOf(from, name);
  return {
    now_ms: number('now_ms'), started_ms: number('started_ms'), hub: textOf(from, 'hub'), journal: bytesOf(from, 'journal'),
    position: number('position'), trimmed: number('trimmed'),
    read_only: flagOf(from, 'read_only'), draining: flagOf(from, 'draining'), relaxed: flagOf(from, 'relaxed'),
    connections: number('connections'), streams: number('streams'), documents: number('documents'),
    memory_bytes: number('memory_bytes'), memory_limit: number('memory_limit'), paused: number('paused'),
    updates: number('updates'), edits: number('edits'), rejected: number('rejected'), repeats: number('repeats'),
    batches: number('batches'), batch_bytes: number('batch_bytes'),
    messages_in: number('messages_in'), bytes_in: number('bytes_in'), messages_out: number('messages_out'), bytes_out: number('bytes_out'),
  };
}

function connectionOf(from: Answer): ConnectionRow {
  const number = (name: string) => numberOf(from, name);
  return {
    id: number('id'), connected_ms: number('connected_ms'), heard_ms: number('heard_ms'),
    agent: textOf(from, 'agent'), client: textOf(from, 'client'),
    streams: Array.isArray(from['streams']) ? number('stream_count') : number('streams'),
    blocked: flagOf(from, 'blocked'), paused: flagOf(from, 'paused'), updates: number('updates'), rejected: number('rejected'),
    bytes_in: number('bytes_in'), bytes_out: number('bytes_out'), pending: number('pending'), behind: number('behind'),
  };
}

function streamOf(from: Answer): StreamRow {
  return {
    id: numberOf(from, 'id'), document: textOf(from, 'document'), cursor: optionalNumber(from, 'cursor'),
    position: numberOf(from, 'position'), pending: numberOf(from, 'pending'), replicas: numberOf(from, 'replicas'),
    presence: flagOf(from, 'presence'),
  };
}

function fieldOf(value: unknown): FieldRow {
  if (!Array.isArray(value)) throw new AnswerError('fields');
  const [, name, type, options] = value as unknown[];
  return { name: String(name), type: String(type), options: mapOf(options ?? {}, 'options') };
}

function writerOf(from: Answer): Writer {
  return {
    replica: bytesOf(from, 'replica'), index: numberOf(from, 'index'), seq: numberOf(from, 'seq'),
    position: numberOf(from, 'position'), at_ms: numberOf(from, 'at_ms'), connection: optionalNumber(from, 'connection'),
  };
}

function documentOf(from: Answer): DocumentDetail {
  const fields = from['fields'];
  if (!Array.isArray(fields)) throw new AnswerError('fields');
  return {
    name: textOf(from, 'name'), schema: textOf(from, 'schema'), position: numberOf(from, 'position'), stored: numberOf(from, 'stored'),
    streams: numberOf(from, 'streams'), replicas: numberOf(from, 'replicas'), memory_bytes: numberOf(from, 'memory_bytes'),
    fields: fields.map(fieldOf), writers: listOf(from, 'writers', writerOf),
  };
}

function rejectedOf(from: Answer): RejectedRow {
  return {
    document: textOf(from, 'document'), replica: bytesOf(from, 'replica'), seq: numberOf(from, 'seq'), at_ms: numberOf(from, 'at_ms'),
    code: textOf(from, 'code'), text: textOf(from, 'text'), field: optionalNumber(from, 'field'),
  };
}

/** Names by number, of each schema. */
function fieldNamesOf(value: unknown): FieldNames {
  const schemas = mapOf(mapOf(value, 'schema')['schema'] ?? value, 'schema');
  return new Map(Object.entries(schemas).map(([schema, fields]) => {
    if (!Array.isArray(fields)) throw new AnswerError('fields');
    return [schema, new Map(fields.map((field: unknown) => [Array.isArray(field) ? Number(field[0]) : -1, fieldOf(field).name]))];
  }));
}

export type FieldNames = ReadonlyMap<string, ReadonlyMap<number, string>>;
export type Hub = ReturnType<typeof createHub>;

export function createHub(client: Pick<Client, 'call'>) {
  const ask = async (method: string, parameters: Asked = {}): Promise<unknown> => client.call(method, parameters);
  return {
    stats: async (): Promise<Stats> => statsOf(await ask('stats')),
    async connections(after: number, limit: number): Promise<ConnectionPage> {
      const from = mapOf(await ask('connections', { after, limit }), 'connections');
      return { connections: listOf(from, 'connections', connectionOf), next: optionalNumber(from, 'next'), total: numberOf(from, 'total') };
    },
    fieldNames: async (): Promise<FieldNames> => fieldNamesOf(await ask('schema')),
    /** Null: it is gone. */
    async connection(id: number): Promise<ConnectionDetail | null> {
      const answer = await ask('connection', { id });
      if (answer === null) return null;
      const from = mapOf(answer, 'connection');
      return { ...connectionOf(from), rows: listOf(from, 'streams', streamOf), more: flagOf(from, 'more') };
    },
    async documents(search: string, after: string, limit: number): Promise<DocumentPage> {
      const from = mapOf(await ask('documents', {
        limit, ...(search === '' ? {} : { search }), ...(after === '' ? {} : { after }),
      }), 'documents');
      return {
        documents: listOf(from, 'documents', (row) => ({
          name: textOf(row, 'name'), position: numberOf(row, 'position'), streams: numberOf(row, 'streams'),
          in_memory: flagOf(row, 'in_memory'),
        })),
        next: from['next'] == null ? null : textOf(from, 'next'),
      };
    },
    /** Null: there is none. */
    async document(name: string): Promise<DocumentDetail | null> {
      const answer = await ask('document', { name });
      return answer === null ? null : documentOf(mapOf(answer, 'document'));
    },
    async rejected(limit: number, after: number | null): Promise<RejectedPage> {
      const from = mapOf(await ask('rejected', { limit, ...(after === null ? {} : { after }) }), 'rejected');
      return { rejected: listOf(from, 'rejected', rejectedOf), next: optionalNumber(from, 'next') };
    },
  };
}

/** The code of what went wrong; none: a mistake of this page's own. */
export function codeOf(error: unknown): string | undefined {
  return error instanceof CallError || error instanceof AnswerError ? error.code : undefined;
}
