import assert from 'node:assert/strict'
import { oneLine } from './line.ts'

/** A section of a systemd unit or of a NetworkManager keyfile. */
export interface IniSection {
  readonly name: string
  /** Absent values are left out. A key may come twice. */
  readonly lines: readonly (readonly [key: string, value: string | number | undefined])[]
}

/** The file's text. Values are numbers, names and addresses that were checked before; one that
 *  could begin a line, a comment or an escape is a fault of the program. */
export function iniText(sections: readonly IniSection[]): string {
  return sections
    .map(({ name, lines }) => {
      const told = lines.flatMap(([key, value]) => {
        if (value === undefined) return []
        const plain = oneLine(String(value))
        assert.ok(/^[^\\"'%]*$/.test(plain) && plain.trim() === plain, `${key}: no value of a file`)
        return [`${key}=${plain}`]
      })
      return [`[${name}]`, ...told, ''].join('\n')
    })
    .join('\n')
}
