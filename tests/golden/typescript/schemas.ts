// Made by `syncline generate typescript`: not to be edited, but made again when the schemas change.
import type {
  BoundedCounter,
  Counter,
  Element,
  Flag,
  GSet,
  LiveMap,
  LwwRegister,
  MvRegister,
  NestedBoundedCounter,
  OrSet,
  PnCounter,
  SchemaOf,
  TwoPhaseSet,
} from 'syncline';

export type Post = {
  likes: Counter;
  stock: PnCounter;
  tags: OrSet<string>;
  name: LwwRegister<string>;
  cart: LiveMap<PnCounter>;
  seats: LiveMap<NestedBoundedCounter>;
  notes: LiveMap<LiveMap<LwwRegister<Element>>>;
};

export type WorkShop = {
  'opens-at': LwwRegister<number>;
  left: BoundedCounter;
  by: MvRegister<number>;
  keys: GSet<Uint8Array>;
  class: TwoPhaseSet<boolean>;
};

export type WorkShop2 = {
  frozen: Flag;
  sold: LiveMap<Counter>;
};

export type Flag2 = {
  is: Flag;
};

export type Uint8Array2 = {
  constructor: LiveMap<Flag>;
};

export type Schemas2 = {
  then: GSet<string>;
};

export type Open = {
  toString: MvRegister<string>;
};

export type Schemas = {
  post: Post;
  'work-shop': WorkShop;
  work_shop: WorkShop2;
  flag: Flag2;
  uint8Array: Uint8Array2;
  schemas: Schemas2;
  open: Open;
};

/** For `connect(url, { schema })`: documents have their types, and can be edited before the first connection. */
export const schema: SchemaOf<Schemas> = {
  post: {
    likes: 'g-counter',
    stock: 'pn-counter',
    tags: { type: 'or-set', of: 'string' },
    name: { type: 'lww-register', of: 'string' },
    cart: { type: 'map', of: 'pn-counter' },
    seats: { type: 'map', of: { type: 'bounded-counter', min: 0, max: 3 } },
    notes: { type: 'map', of: { type: 'map', of: { type: 'lww-register', of: 'any' } } },
  },
  'work-shop': {
    'opens-at': { type: 'lww-register', of: 'float' },
    left: { type: 'bounded-counter', min: -5 },
    by: { type: 'mv-register', of: 'int' },
    keys: { type: 'g-set', of: 'bytes' },
    class: { type: '2p-set', of: 'bool' },
  },
  work_shop: {
    frozen: { type: 'flag', wins: 'disable' },
    sold: { type: 'map', of: 'g-counter' },
  },
  flag: {
    is: { type: 'flag', wins: 'enable' },
  },
  uint8Array: {
    constructor: { type: 'map', of: { type: 'flag', wins: 'enable' } },
  },
  schemas: {
    then: { type: 'g-set', of: 'string' },
  },
  open: {
    toString: { type: 'mv-register', of: 'string' },
  },
} as const;
