import test from 'ava'
import { guidOf } from './bmc-files.ts'
import { readControl } from './control.ts'

test('what ipmi_sim asks is read; what it would not ask is nothing', (t) => {
  t.deepEqual(readControl('0x20 get power boot\n'), { verb: 'get', names: ['power', 'boot'] })
  t.deepEqual(readControl('0x20 set boot pxe power 1'), {
    verb: 'set',
    settings: [
      ['boot', 'pxe'],
      ['power', '1'],
    ],
  })
  for (const line of ['', '0x20', '0x20 set power', '0x20 erase all']) {
    t.is(readControl(line), undefined, line)
  }
})

test('a GUID has the first three fields of its UUID with their low byte first', (t) => {
  t.is(guidOf('00112233-4455-6677-8899-AABBCCDDEEFF'), '33221100554477668899aabbccddeeff')
})
