import test from 'ava'
import fc from 'fast-check'
import { compareIdentity, isSerial, uuidBytes, uuidReadings } from './identity.ts'

const RAW = [...Buffer.from('00112233445566778899aabbccddeeff', 'hex')]

test('sixteen bytes have three readings; equal bytes and other lengths none', (t) => {
  t.deepEqual(uuidReadings(RAW), [
    '00112233-4455-6677-8899-aabbccddeeff',
    '33221100-5544-7766-8899-aabbccddeeff',
    'ffeeddcc-bbaa-9988-7766-554433221100',
  ])
  t.deepEqual(uuidReadings(Array(16).fill(255)), [])
  t.deepEqual(uuidReadings([1, 2]), [])
})

test('whichever order a BMC and a machine use, they are found to be the same', (t) => {
  const bytes = fc.uint8Array({ minLength: 16, maxLength: 16 }).map((all) => [...all])
  const same = (raw: number[]): boolean => {
    const readings = uuidReadings(raw)
    const identity = { uuids: readings, serials: [] }
    return readings.every((uuid) => compareIdentity(identity, { uuid }) === 'same')
  }
  fc.assert(fc.property(bytes, same))
  t.deepEqual(uuidBytes('00112233-4455-6677-8899-AABBCCDDEEFF'), RAW)
  t.is(uuidBytes('00112233-4455-6677-8899-AABBCCDDEEF'), undefined)
})

test('a UUID decides before the serial number; nothing to compare is unknown', (t) => {
  const identity = { uuids: uuidReadings(RAW), serials: ['S1'] }
  const stranger = 'aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee'
  t.is(compareIdentity(identity, { uuid: stranger, serial: 'S1' }), 'other')
  t.is(compareIdentity(identity, { serial: 'S1' }), 'same')
  t.is(compareIdentity(identity, { serial: 'S2' }), 'other')
  t.is(compareIdentity(identity, { serial: 'To Be Filled By O.E.M.' }), 'unknown')
  t.is(compareIdentity({ uuids: [], serials: [] }, { uuid: stranger, serial: 'S1' }), 'unknown')
  const blank = { uuid: '00000000-0000-0000-0000-000000000000', serial: 'S1' }
  t.is(compareIdentity(identity, blank), 'same')
})

test('what makers leave in the place of a serial number is none', (t) => {
  for (const text of [
    '',
    ' ',
    '0',
    '0000',
    '123456789',
    'None',
    'Default string',
    'x',
    'N/A',
    '...',
  ])
    t.false(isSerial(text), text)
  for (const text of ['S1', '437XR1138R2', 'ch0']) t.true(isSerial(text), text)
})
