import { TABLE_NAME } from '../target/names.ts'
import type { SetElement, SetShape } from '../target/statement.ts'
import { elementListAttribute, family, LIST_ITEM, subsystem, tablesType } from './constants.ts'
import { joinElements, readRawElement } from './decode-set.ts'
import { ElementWriter } from './encode-set.ts'
import type { Exchange } from './exchange.ts'
import type { CallOptions } from './socket.ts'

const AT_ONCE = 64

/** Those of the elements that a set has, by their keys, as it has them; of a set of ranges none.
 *  One that is missing hides those asked for with it. Errors: PUR_NFT_UNREADABLE. */
export async function findElements(
  exchange: Exchange,
  set: SetShape,
  elements: readonly SetElement[],
  options?: CallOptions,
): Promise<readonly SetElement[]> {
  if (set.interval) return []
  const found: SetElement[] = []
  for (let at = 0; at < elements.length; at += AT_ONCE) {
    const messages = await exchange.ask(
      `elements of set ${set.table} ${TABLE_NAME} ${set.name}`,
      (subsystem.tables << 8) | tablesType.getElement,
      family[set.table],
      (writer) => {
        writer.text(elementListAttribute.table, TABLE_NAME)
        writer.text(elementListAttribute.set, set.name)
        const list = writer.nest(elementListAttribute.elements)
        const elementWriter = new ElementWriter(writer, set)
        for (const { key } of elements.slice(at, at + AT_ONCE)) elementWriter.write({ key })
        writer.endNest(list)
      },
      options,
    )
    const raw = messages.flatMap(({ attributes }) =>
      attributes.list(elementListAttribute.elements, LIST_ITEM).map(readRawElement),
    )
    found.push(...joinElements(set, raw).map(({ element }) => element))
  }
  return found
}
