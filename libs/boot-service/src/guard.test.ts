import test from 'ava'
import fc from 'fast-check'
import { neighbourOf } from './guard.ts'

const TABLE = `IP address       HW type     Flags       HW address            Mask     Device
10.88.0.7        0x1         0x2         52:54:00:88:00:07     *        deploy0
10.88.0.8        0x1         0x0         00:00:00:00:00:00     *        deploy0
10.88.0.9        0x1         0x2         52:54:00:88:00:09     *        eth1
`

test('the kernel’s neighbour at an address is one of that interface that is complete', (t) => {
  t.is(neighbourOf(TABLE, '10.88.0.7', 'deploy0'), '52:54:00:88:00:07')
  t.is(neighbourOf(TABLE, '10.88.0.8', 'deploy0'), undefined)
  t.is(neighbourOf(TABLE, '10.88.0.9', 'deploy0'), undefined)
  t.is(neighbourOf('', '10.88.0.7', 'deploy0'), undefined)
  fc.assert(
    fc.property(fc.string(), (text) => {
      t.is(neighbourOf(text, '10.88.0.7', 'deploy0'), undefined)
    }),
  )
})
