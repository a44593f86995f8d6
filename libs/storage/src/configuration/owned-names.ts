import { readFile } from 'node:fs/promises'
import { z } from 'zod'
import { writeDurably } from './write-durably.ts'

const ledger = z.object({ format: z.literal(1), names: z.array(z.string()) })

/** The volumes and snapshots that belong to resources, kept in a file beside the agent's state: a
 *  volume that is not in it is somebody else's and is never deleted. */
export interface OwnedNames {
  read(): Promise<ReadonlySet<string>>
  add(names: readonly string[]): Promise<void>
  remove(name: string): Promise<void>
}

/** The names in a file; a file that is not there or cannot be understood owns nothing. */
export function ownedNames(file: string): OwnedNames {
  const read = async (): Promise<ReadonlySet<string>> => {
    const text = await readFile(file, 'utf8').catch(() => undefined)
    if (text === undefined) return new Set()
    try {
      return new Set(ledger.parse(JSON.parse(text)).names)
    } catch {
      return new Set()
    }
  }
  const write = (names: ReadonlySet<string>): Promise<void> =>
    writeDurably(file, `${JSON.stringify({ format: 1, names: [...names].toSorted() })}\n`)
  let last: Promise<void> = Promise.resolve()
  /** One change after the other: each begins with what the one before has left. */
  const inTurn = async (change: () => Promise<void>): Promise<void> => {
    const turn = last.then(change)
    last = turn.catch(() => undefined)
    await turn
  }
  return {
    read,
    add: (names) => inTurn(async () => await write(new Set([...(await read()), ...names]))),
    remove: (name) =>
      inTurn(async () => {
        const left = new Set(await read())
        if (left.delete(name)) await write(left)
      }),
  }
}
