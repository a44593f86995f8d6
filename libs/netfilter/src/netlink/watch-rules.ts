import { TABLE_NAME, type TableFamily } from '../target/names.ts'
import { family, group, subsystem, tablesType } from './constants.ts'
import { openSocket } from './exchange.ts'
import { type Message, readMessages } from './reader.ts'
import type { RulesetChange, Stop } from './socket.ts'

const GENERATION_ID = 1
const PROCESS_ID = 2
const PROCESS_NAME = 3

/** What a notification is about, by its type; the second attribute is its name, or for rules and
 *  elements the name of what holds them. */
const subjects: Readonly<Record<number, string>> = {
  [tablesType.newTable]: 'table',
  [tablesType.deleteTable]: 'table',
  [tablesType.newChain]: 'chain',
  [tablesType.deleteChain]: 'chain',
  [tablesType.newRule]: 'rule',
  [tablesType.deleteRule]: 'rule',
  [tablesType.newSet]: 'set',
  [tablesType.deleteSet]: 'set',
  [tablesType.newElement]: 'element',
  [tablesType.deleteElement]: 'element',
  [tablesType.newObject]: 'object',
  [tablesType.deleteObject]: 'object',
  [tablesType.newFlowtable]: 'flowtable',
  [tablesType.deleteFlowtable]: 'flowtable',
}
/** A chain's name stands in its third attribute, everything else's in the second. */
const CHAIN_NAME = 3
const OBJECT_NAME = 2

/** A watch that is on. */
export interface RulesWatch {
  readonly stop: Stop
  /** Stops listening for a while, or listens again. */
  hear(isOn: boolean): void
}

/** Tells of committed transactions. The kernel ends the notifications of each with its new
 *  generation. Errors: PUR_NFT_UNREADABLE. */
export function watchRules(
  ownPorts: () => ReadonlySet<number>,
  onChange: (change: RulesetChange) => void,
): RulesWatch {
  const socket = openSocket([group.tables])
  const collector = new ChangeCollector(ownPorts, onChange)
  socket.listen(({ messages, lost, ended }) => {
    if (lost || ended) collector.lose()
    for (const message of readMessages(messages)) collector.take(message)
  })
  return {
    stop: () => socket.close(),
    hear: (isOn) => {
      if (!socket.hear(isOn) && isOn) collector.lose()
    },
  }
}

/** Gathers notifications into transactions. */
export class ChangeCollector {
  readonly #ownPorts: () => ReadonlySet<number>
  readonly #onChange: (change: RulesetChange) => void
  #tables = new Set<TableFamily>()
  #objects = new Set<string>()

  constructor(ownPorts: () => ReadonlySet<number>, onChange: (change: RulesetChange) => void) {
    this.#ownPorts = ownPorts
    this.#onChange = onChange
  }

  /** Messages were lost: whatever was gathered is not whole. */
  lose(): void {
    this.#forget()
    this.#onChange({
      tables: new Set(),
      objects: [],
      own: false,
      processId: 0,
      processName: '',
      generation: 0,
      lost: true,
    })
  }

  take(message: Message): void {
    if (message.type >> 8 !== subsystem.tables) return
    const type = message.type & 0xff
    if (type === tablesType.newGeneration) this.#end(message)
    else this.#gather(type, message)
  }

  #gather(type: number, { attributes, family: number }: Message): void {
    const subject = subjects[type]
    const table = tableOf(number)
    if (subject === undefined || table === undefined || attributes.text(1) !== TABLE_NAME) return
    this.#tables.add(table)
    if (subject === 'table') this.#objects.add(`table ${table}`)
    else {
      const name = attributes.text(subject === 'chain' ? CHAIN_NAME : OBJECT_NAME) ?? ''
      this.#objects.add(`${subject} ${table}/${name}`)
    }
  }

  #end({ attributes, port }: Message): void {
    const [tables, objects] = [this.#tables, [...this.#objects]]
    this.#forget()
    this.#onChange({
      tables,
      objects,
      own: this.#ownPorts().has(port),
      processId: attributes.u32(PROCESS_ID) ?? 0,
      processName: attributes.text(PROCESS_NAME) ?? '',
      generation: attributes.u32(GENERATION_ID) ?? 0,
      lost: false,
    })
  }

  #forget(): void {
    this.#tables = new Set()
    this.#objects = new Set()
  }
}

function tableOf(number: number): TableFamily | undefined {
  if (number === family.inet) return 'inet'
  return number === family.bridge ? 'bridge' : undefined
}
