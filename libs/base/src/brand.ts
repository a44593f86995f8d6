/** A nominal type: a `Brand<string, 'TaskId'>` is a string that only its own constructor hands
 *  out. */
export type Brand<Value, Name extends string> = Value & { readonly __brand: Name }
