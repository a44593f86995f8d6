import { PurlinError, systemClock } from '@purlin/base'
import test from 'ava'
import { createFakeLibvirt } from '../../tests/support/fake-libvirt.ts'
import { machineOf } from '../../tests/support/machines.ts'
import { domainXml } from '../domain/xml.ts'
import { awaitPower } from './await-power.ts'

const options = { deadlineMs: 5_000 }

test('a state that is there already needs no event', async (t) => {
  const fake = createFakeLibvirt()
  fake.add(domainXml(machineOf('a')), true)
  t.is(await awaitPower(fake.port, systemClock, 'a', ['running'], options), 'running')
  t.is(await awaitPower(fake.port, systemClock, 'b', ['absent'], options), 'absent')
})

test('an event is enough', async (t) => {
  const fake = createFakeLibvirt()
  fake.add(domainXml(machineOf('a')), true)
  const stopped = awaitPower(fake.port, systemClock, 'a', ['stopped'], options)
  await fake.port.hostname(options)
  await fake.port.destroy('a', options)
  t.is(await stopped, 'stopped')
})

test('an event that comes during the reading is not lost', async (t) => {
  const fake = createFakeLibvirt()
  fake.add(domainXml(machineOf('a')), true)
  let readings = 0
  const port = {
    ...fake.port,
    domain: async (name: string) => {
      readings += 1
      const record = await fake.port.domain(name, options)
      if (readings === 1) await fake.port.destroy(name, options)
      return record
    },
  }
  t.is(await awaitPower(port, systemClock, 'a', ['stopped'], options), 'stopped')
  t.is(readings, 2)
})

test('events lost with a connection are made good by a reading', async (t) => {
  const fake = createFakeLibvirt()
  fake.add(domainXml(machineOf('a')), true)
  let reachable = true
  const port = {
    ...fake.port,
    domain: async (name: string) => {
      if (!reachable) throw new PurlinError('PUR_VIRT_UNREACHABLE', { message: 'gone' })
      return await fake.port.domain(name, options)
    },
  }
  const stopped = awaitPower(port, systemClock, 'a', ['stopped'], options)
  await fake.port.hostname(options)
  reachable = false
  fake.emit({ kind: 'connection', state: 'lost', reason: 'gone' })
  const domain = fake.domains.get('a')
  if (domain !== undefined) domain.state = 5
  reachable = true
  fake.emit({ kind: 'connection', state: 'connected', reason: 'back' })
  t.is(await stopped, 'stopped')
})

test('a state that never comes ends at the deadline', async (t) => {
  const fake = createFakeLibvirt()
  fake.add(domainXml(machineOf('a')), true)
  const waiting = awaitPower(fake.port, systemClock, 'a', ['stopped'], { deadlineMs: 20 })
  const error = await t.throwsAsync(waiting, { instanceOf: PurlinError })
  t.is(error.code, 'PUR_DEADLINE_PASSED')
})
