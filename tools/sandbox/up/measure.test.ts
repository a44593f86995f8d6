import test from 'ava'
import { heldPorts } from './measure.ts'

test('ports that listen or are bound are read out of the kernel’s tables', (t) => {
  const any = '0'.repeat(32)
  const tables = [
    '  sl  local_address                         remote_address                        st tx_queue',
    `   0: ${any}:0016 ${any}:0000 0A 00000000:00000000 00:00000000 00000000     0        0 631`,
    `   1: ${any}:1F90 ${any}:0000 0A 00000000:00000000 00:00000000 00000000     0        0 632`,
    `   2: ${any}:1F91 ${any}:C001 01 00000000:00000000 00:00000000 00000000     0        0 633`,
    '  sl  local_address                         remote_address                        st tx_queue',
    `  12: ${any}:0035 ${any}:0000 07 00000000:00000000 00:00000000 00000000     0        0 634`,
  ].join('\n')
  const { tcp, udp } = heldPorts(tables)
  t.deepEqual([...tcp], [22, 8080])
  t.deepEqual([...udp], [53])
})
