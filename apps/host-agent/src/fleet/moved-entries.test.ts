import test from 'ava'
import { movedEntries } from './moved-entries.ts'

const at = (key: string, value: unknown) => ({
  key,
  value,
  revision: 1,
  createdRevision: 1,
  version: 1,
})
const machine = (name: string, spec: object) =>
  at(`/resource/VirtualMachine/${name}`, {
    manifest: { kind: 'VirtualMachine', name, spec },
    uid: name,
  })

test('machines of a host that was alone say that they are there; all else stays as it is', (t) => {
  const entries = [
    machine('one', { cpus: 1 }),
    machine('two', { cpus: 1, host: 'elsewhere' }),
    at('/resource/SecurityGroup/web', { manifest: { spec: {} } }),
  ]
  const [one, ...rest] = movedEntries(entries, 'host-a')
  t.deepEqual(one, machine('one', { cpus: 1, host: 'host-a' }))
  t.deepEqual(rest, entries.slice(1))
})
