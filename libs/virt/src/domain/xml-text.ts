import { PurlinError } from '@purlin/base'
import { XMLBuilder } from 'fast-xml-parser'

/** A node of XML: attributes begin with `@`, text is `#`. */
export type Node = { readonly [key: string]: Node | readonly Node[] | string | number }

const builder = new XMLBuilder({
  attributeNamePrefix: '@',
  textNodeName: '#',
  ignoreAttributes: false,
  suppressEmptyNode: true,
  format: true,
  indentBy: '  ',
})

/** Characters that XML cannot carry, or changes on the way (XML 1.0, 2.2 and 3.3.3). */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
const UNSAFE = /[\u0000-\u001f\u007f-\u009f\ufffe\uffff]|\p{Surrogate}/u

/** The XML of an element; the same node gives the same text. Errors: PUR_INVALID where a text holds
 *  control characters. */
export function xmlText(element: string, node: Node): string {
  refuseUnsafe(node, element)
  return builder.build({ [element]: node })
}

function refuseUnsafe(value: Node | readonly Node[] | string | number, path: string): void {
  if (typeof value === 'number') return
  if (typeof value !== 'string') {
    for (const [key, part] of Object.entries(value)) refuseUnsafe(part, `${path}.${key}`)
    return
  }
  if (!UNSAFE.test(value)) return
  throw new PurlinError('PUR_INVALID', {
    message: `${path}: ${JSON.stringify(value)} holds a control character, which domain XML cannot carry`,
    problems: [{ path, message: 'holds a control character' }],
  })
}
