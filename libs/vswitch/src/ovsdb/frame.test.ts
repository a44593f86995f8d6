import test from 'ava'
import fc from 'fast-check'
import { createFramer } from './frame.ts'

test('messages are whole again however the stream was cut', (t) => {
  fc.assert(
    fc.property(
      fc.array(fc.dictionary(fc.string({ unit: 'grapheme' }), fc.jsonValue()), { maxLength: 5 }),
      fc.array(fc.nat(40), { maxLength: 30 }),
      (messages, cuts) => {
        const bytes = Buffer.from(messages.map((message) => JSON.stringify(message)).join('\n'))
        const framer = createFramer(1_000_000)
        const found: string[] = []
        let at = 0
        for (const cut of [...cuts, bytes.length]) {
          found.push(...framer.take(bytes.subarray(at, at + cut)))
          at += cut
        }
        t.deepEqual(
          found.map((text) => JSON.parse(text)),
          JSON.parse(JSON.stringify(messages)),
        )
      },
    ),
  )
})

test('a message longer than the limit is refused', (t) => {
  const framer = createFramer(10)
  t.deepEqual(framer.take(Buffer.from('{"a":1}')), ['{"a":1}'])
  t.throws(() => framer.take(Buffer.from('{"a":"12345678901')), { code: 'PUR_OVS_REFUSED' })
})
