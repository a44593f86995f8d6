import test from 'ava'
import { referencesOf } from '../check/references.ts'
import { virtualMachine } from './virtual-machine.ts'

const machine = (disks: readonly object[]) => ({
  ...{ kind: 'VirtualMachine', name: 'db-1' },
  spec: { cpus: 1, memoryMiB: 128, image: 'probe', disks },
})

test('a disk of a machine has a name and a volume of its own, and names the volume', (t) => {
  const [root, log] = [
    { name: 'root', volume: 'vol-a' },
    { name: 'log', volume: 'vol-b' },
  ]
  t.deepEqual(referencesOf(virtualMachine.parse(machine([root, log]))), [
    { kind: 'Volume', name: 'vol-a', path: 'spec.disks[0].volume' },
    { kind: 'Volume', name: 'vol-b', path: 'spec.disks[1].volume' },
  ])
  const twice = virtualMachine.safeParse(machine([root, { ...log, volume: 'vol-a' }, root]))
  t.deepEqual(
    twice.error?.issues.map(({ path }) => path.join('.')),
    ['spec.disks.1.volume', 'spec.disks.2.name', 'spec.disks.2.volume'],
  )
  const long = virtualMachine.safeParse(machine([{ ...root, name: 'a-serial-of-21-letters' }]))
  t.is(long.error?.issues[0]?.path.join('.'), 'spec.disks.0.name')
})
