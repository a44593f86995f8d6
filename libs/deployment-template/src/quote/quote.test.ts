import { run } from '@purlin/base'
import test from 'ava'
import fc from 'fast-check'
import { iniText } from './ini.ts'
import { yamlJson } from './json.ts'
import { quoteKickstart } from './kickstart.ts'
import { preseedLine } from './preseed.ts'
import { hereDocument, quoteShell } from './shell.ts'
import { quoteXml } from './xml.ts'

const line = fc
  .oneof(
    fc.string({ unit: 'grapheme' }),
    fc.string({ unit: fc.constantFrom(...`'"\\$\`!#%&;|<>(){}[]*?~ =@-`) }),
  )
  .filter((text) => !/[\p{Cc}\p{Cs}\u2028\u2029]/u.test(text))
const document = fc
  .array(fc.oneof(line, fc.constantFrom('PURLIN_END', 'PURLIN_END_', '%end', '', '$(reboot)')))
  .map((lines) => lines.join('\n'))

test('a shell reads back every quoted word', async (t) => {
  const words = fc.sample(line, { seed: 1, numRuns: 400 })
  const script = words.map((word) => `printf '%s\\0' ${quoteShell(word)}`).join('\n')
  const { stdout } = await run('sh', [], { input: script, timeoutMs: 60_000 })
  t.deepEqual(stdout.split('\0').slice(0, -1), words)
})

test('a shell writes every here-document as it was, whatever lines are in it', async (t) => {
  const texts = fc.sample(document, { seed: 2, numRuns: 60 })
  const each = texts.map((text) => `${hereDocument('"$file"', text)}\ncat "$file"; printf '\\0'`)
  const script = `file=$(mktemp); trap 'rm -f "$file"' EXIT\n${each.join('\n')}`
  const { stdout } = await run('sh', [], { input: script, timeoutMs: 60_000 })
  t.deepEqual(
    stdout.split('\0').slice(0, -1),
    texts.map((text) => `${text.replace(/\n$/, '')}\n`),
  )
})

test('every quoted word of a kickstart is one word for shlex’s rules', (t) => {
  fc.assert(fc.property(line, (text) => shlexWords(quoteKickstart(text)).join('\0') === text))
  t.deepEqual(shlexWords(`user --name=${quoteKickstart('a b')} # gone`), ['user', '--name=a b'])
})

test('XML is closed in its element and reads back', (t) => {
  const text = fc.oneof(fc.string({ unit: 'grapheme' }), document)
  fc.assert(
    fc.property(text, (value) => {
      const quoted = quoteXml(value)
      return (
        !/[<>"'\ufffe]|(?![\t\n])\p{Cc}/u.test(quoted.replaceAll('\u007f', '')) &&
        unquoteXml(quoted) === clean(value)
      )
    }),
  )
  t.is(quoteXml(']]></source><script>'), ']]&gt;&lt;/source&gt;&lt;script&gt;')
})

test('JSON for YAML readers is printable ASCII and reads back', (t) => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), (text) => {
      const written = yamlJson({ text })
      const json = written.replaceAll(/\\U([0-9a-f]{8})/g, (_, code: string) =>
        String.fromCodePoint(Number.parseInt(code, 16)),
      )
      return /^[\x20-\x7e\n]*$/.test(written) && JSON.parse(json).text === text
    }),
  )
  t.regex(yamlJson('\u{1F600}\u007f'), /^"\\U0001f600\\u007f"$/)
})

test('what could leave its line never reaches a preseed or a unit file', (t) => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (value) => {
      const line = attempt(() => preseedLine('d-i', 'a/b', 'string', value))
      const unit = attempt(() => iniText([{ name: 'S', lines: [['Key', value]] }]))
      const lineGood = line === undefined || /^d-i a\/b string( .*)?$/u.exec(line)?.[0] === line
      return lineGood && (unit === undefined || unit === `[S]\nKey=${value}\n`)
    }),
  )
  for (const value of ['a\nb', 'a\r', 'end\\', ' a', '\u2028']) {
    t.throws(() => preseedLine('d-i', 'a/b', 'string', value))
    t.throws(() => iniText([{ name: 'S', lines: [['Key', value]] }]))
  }
})

function attempt(make: () => string): string | undefined {
  try {
    return make()
  } catch {
    return undefined
  }
}

/** Python's shlex.split(comments=True) in small. */
function shlexWords(text: string): readonly string[] {
  const words: string[] = []
  let word: string | undefined
  for (let index = 0; index < text.length; index++) {
    const character = text[index] ?? ''
    if (character === "'" || character === '"') {
      const end = text.indexOf(character, index + 1)
      word = (word ?? '') + text.slice(index + 1, end)
      index = end
    } else if (character === '#' && word === undefined) {
      break
    } else if (character === ' ') {
      if (word !== undefined) words.push(word)
      word = undefined
    } else {
      word = (word ?? '') + character
    }
  }
  return word === undefined ? words : [...words, word]
}

function clean(value: string): string {
  return value.replaceAll(
    /[^\t\n\r\u{20}-\u{D7FF}\u{E000}-\u{FFFD}\u{10000}-\u{10FFFF}]/gu,
    '\ufffd',
  )
}

function unquoteXml(text: string): string {
  const plain = { '&lt;': '<', '&gt;': '>', '&quot;': '"', '&apos;': "'", '&#13;': '\r' }
  return Object.entries(plain)
    .reduce((sum, [entity, character]) => sum.replaceAll(entity, character), text)
    .replaceAll('&amp;', '&')
}
