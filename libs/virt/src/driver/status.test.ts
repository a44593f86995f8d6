import test from 'ava'
import { createFakeLibvirt } from '../../tests/support/fake-libvirt.ts'
import { machineOf } from '../../tests/support/machines.ts'
import { domainXml } from '../domain/xml.ts'
import { createVirtDriver } from './driver.ts'
import { machineStatus } from './status.ts'

const { signal } = new AbortController()

test('a machine that runs as it should is ready and has nothing pending', async (t) => {
  const fake = createFakeLibvirt()
  fake.add(domainXml(machineOf('a')), true)
  const observed = await createVirtDriver({ libvirt: fake.port }).observe(signal)
  const { powerState, conditions } = machineStatus(observed, machineOf('a'))
  t.is(powerState, 'running')
  t.deepEqual(
    conditions.map(({ type, status, reason }) => [type, status, reason]),
    [
      ['Ready', 'true', 'Running'],
      ['PendingRestart', 'false', 'UpToDate'],
      ['PendingDevices', 'false', 'UpToDate'],
    ],
  )
})

test('a machine redefined while it runs has a restart pending', async (t) => {
  const fake = createFakeLibvirt()
  fake.add(domainXml(machineOf('a')), true)
  const wanted = machineOf('a', { memoryMiB: 256 })
  fake.add(domainXml(wanted))
  const observed = await createVirtDriver({ libvirt: fake.port }).observe(signal)
  const pending = machineStatus(observed, wanted).conditions[1]
  t.like(pending, { type: 'PendingRestart', status: 'true', reason: 'SpecChanged' })
})

test('a machine that is not there, and one whose name is taken, are told apart', async (t) => {
  const fake = createFakeLibvirt()
  fake.add("<domain type='qemu'><name>a</name><uuid>x</uuid></domain>")
  const observed = await createVirtDriver({ libvirt: fake.port }).observe(signal)
  const ready = (name: string): unknown => machineStatus(observed, machineOf(name)).conditions[0]
  t.like(ready('a'), { type: 'Ready', status: 'false', reason: 'NameTaken' })
  t.like(ready('b'), { type: 'Ready', status: 'false', reason: 'PowerStateDiffers' })
})
