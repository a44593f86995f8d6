import test from 'ava'
import { machineOf } from '../../tests/support/machines.ts'
import { readDomain } from './read.ts'
import { domainXml } from './xml.ts'

test('a clone under another name carries the mark and is not Purlin’s', (t) => {
  const xml = domainXml(machineOf('web-1'))
  t.is(readDomain(xml)?.mark?.machine, 'web-1')
  const clone = xml.replace('<name>web-1</name>', '<name>web-1-clone</name>')
  t.is(readDomain(clone)?.name, 'web-1-clone')
  t.is(readDomain(clone)?.mark, undefined)
})

test('metadata of another namespace is no mark, whatever its prefix', (t) => {
  const xml = domainXml(machineOf('web-1')).replace('urn:purlin:1', 'http://example.org/other')
  t.is(readDomain(xml)?.mark, undefined)
})

test('libvirt may choose another prefix and other quotes', (t) => {
  const xml = domainXml(machineOf('web-1')).replaceAll('purlin:machine', 'p:machine')
  const other = xml.replaceAll('purlin:nic', 'p:nic').replace('xmlns:purlin', 'xmlns:p')
  t.deepEqual(readDomain(other.replaceAll('"', "'"))?.mark?.ports, [
    { port: 'web-1.eth0', tapDevice: 'tap-web-1' },
  ])
})

test('a serial port that is only written down has a file and no socket', (t) => {
  const serial = "<serial type='file'><source path='/log/a'/></serial>"
  const domain = `<domain><name>a</name><devices>${serial}</devices></domain>`
  t.like(readDomain(domain), { serialLogFile: '/log/a', serialSocket: '', display: false })
})

for (const [text, memoryMiB] of [
  ["<memory unit='KiB'>131072</memory>", 128],
  ["<memory unit='GiB'>2</memory>", 2048],
  ['<memory>65536</memory>', 64],
  ["<memory unit='bytes'>1048576</memory>", 1],
] as const) {
  test(`${text} is ${memoryMiB} MiB`, (t) => {
    t.is(readDomain(`<domain><name>a</name>${text}</domain>`)?.memoryMiB, memoryMiB)
  })
}

test('the agent is connected only when its own channel is', (t) => {
  const channel = (name: string, state: string): string =>
    `<channel type='unix'><target type='virtio' name='${name}' state='${state}'/></channel>`
  const domain = (channels: string): string =>
    `<domain><name>a</name><devices>${channels}</devices></domain>`
  const agent = 'org.qemu.guest_agent.0'
  t.true(
    readDomain(domain(channel('x', 'disconnected') + channel(agent, 'connected')))?.agentConnected,
  )
  t.false(
    readDomain(domain(channel('x', 'connected') + channel(agent, 'disconnected')))?.agentConnected,
  )
})

for (const text of [
  '',
  'nonsense',
  '<domain/>',
  '<network><name>a</name></network>',
  '<domain><name>',
]) {
  test(`${JSON.stringify(text)} is no domain`, (t) => {
    t.is(readDomain(text), undefined)
  })
}
