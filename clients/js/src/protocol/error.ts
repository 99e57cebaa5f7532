/** A packet, or a value in one, that does not have its layout. */
export class ProtocolError extends Error {}
