import type { Readable } from 'node:stream'
import type { Kind, Operation, Resource, Task } from '@purlin/schema'
import type { FastifyReply } from 'fastify'
import type { z } from 'zod'
import type { Caller } from './caller.ts'

/** The calls that a daemon answers, by name. */
export type OperationTable = Readonly<Record<string, Operation>>

/** A call after it was let in and its parts were checked. */
export interface Call<Query = unknown, Body = unknown> {
  readonly params: Readonly<Record<string, string>>
  readonly query: Query
  readonly body: Body
  /** Aborted when the caller goes away. */
  readonly signal: AbortSignal
  readonly reply: FastifyReply
  /** Who calls; absent where anybody may. */
  readonly caller?: Caller
  readonly idempotencyKey?: string
  readonly ifRevision?: number
  readonly lastEventId?: number
}

type Part<Entry, Name extends string> = Entry extends { readonly [Key in Name]: infer Schema }
  ? Schema extends z.ZodType
    ? z.output<Schema>
    : unknown
  : undefined

/** A streamed body comes as the bytes come; it is read to its end or destroyed. */
type BodyOf<Entry> = Entry extends { readonly streamed: true } ? Readable : Part<Entry, 'body'>

/** A handler for each call of a table; the compiler knows when one is missing. */
export type HandlersOf<Table extends OperationTable> = {
  readonly [Name in keyof Table]: (
    call: Call<Part<Table[Name], 'query'>, BodyOf<Table[Name]>>,
  ) => Promise<
    Table[Name] extends { readonly answer: z.ZodType } ? Part<Table[Name], 'answer'> : unknown
  >
}

/** What the list, get, put and delete calls of every kind do. */
export interface ResourceHandlers {
  list(kind: Kind): readonly Resource[]
  get(kind: Kind, name: string): Resource
  put(kind: Kind, name: string, call: Call): Promise<Task>
  remove(kind: Kind, name: string, call: Call): Promise<Task>
}
