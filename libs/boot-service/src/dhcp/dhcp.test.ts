import { PurlinError } from '@purlin/base'
import test from 'ava'
import fc from 'fast-check'
import { dhcpConfiguration } from './configuration.ts'
import { dhcpFiles } from './folder.ts'
import { hostsText, PROBE_MAC } from './hosts.ts'
import { readLogLine } from './log-line.ts'
import { dhcpMessage, messageTypes, readDhcpAnswer } from './packet.ts'

const known = { mac: '52:54:00:88:00:07', address: '10.88.0.7', name: 'rack1-u07' }
const closed = {
  interface: 'deploy0',
  serverAddress: '10.88.0.1',
  subnet: { cidr: '10.88.0.0/24', from: '10.88.0.100', to: '10.88.0.199', gateway: '10.88.0.254' },
  files: dhcpFiles('/run/boot'),
  user: 'dnsmasq',
  httpUrl: 'http://10.88.0.1:8088',
  biosLoader: 'ipxe',
  enrolOpen: false,
} as const

test('the configuration of a network, and what an open enrol window changes in it', (t) => {
  const text = dhcpConfiguration(closed)
  t.snapshot(text)
  const open = dhcpConfiguration({ ...closed, enrolOpen: true, biosLoader: 'pxelinux' })
  const before = new Set(text.split('\n'))
  t.deepEqual(
    open.split('\n').filter((line) => !before.has(line)),
    [
      'dhcp-range=10.88.0.100,10.88.0.199,255.255.255.0,3600',
      'dhcp-boot=tag:bios,tag:!ipxe,pxelinux.0',
    ],
  )
  t.false(open.includes('tag:!known'))
})

/** dnsmasq 2.90 dies on SIGHUP once a host with a tag has served a lease. */
test('a line of a host is its MAC, address and name, and never a tag', (t) => {
  const text = hostsText([known], '10.88.0.0/24', '10.88.0.1')
  t.is(text, `${PROBE_MAC},purlin-probe\n52:54:00:88:00:07,10.88.0.7,rack1-u07\n`)
})

test('hosts that are not fit, or not together, are refused with each reason', (t) => {
  const refused = (...hosts: readonly (typeof known)[]): string => {
    const error = t.throws(() => hostsText(hosts, '10.88.0.0/24', '10.88.0.1'), {
      instanceOf: PurlinError,
    })
    t.is(error?.code, 'PUR_BOOT_HOSTS')
    return error?.message ?? ''
  }
  t.regex(refused({ ...known, mac: '52:54:00:88:00:07,set:x' }), /is no MAC/)
  t.regex(refused({ ...known, name: 'a\n52:54:00:00:00:01' }), /is no host name/)
  t.regex(refused({ ...known, address: '10.89.0.7' }), /is no address of the subnet/)
  t.regex(refused({ ...known, address: '10.88.0.1' }), /taken by the server/)
  t.regex(refused({ ...known, mac: PROBE_MAC }), /taken by the probe/)
  t.regex(
    refused(known, { ...known, mac: '52:54:00:88:00:08', name: 'b' }),
    /10\.88\.0\.7 of b is taken/,
  )
  const text = fc.string({ unit: 'binary' })
  fc.assert(
    fc.property(text, text, text, (mac, address, name) => {
      t.throws(() => hostsText([{ mac, address, name }], '10.88.0.0/24', '10.88.0.1'))
    }),
  )
})

test('lines of dnsmasq’s log are facts, and others none', (t) => {
  t.deepEqual(readLogLine('dnsmasq-dhcp[12]: read /run/boot/hosts'), {
    fact: 'hosts-read',
    file: '/run/boot/hosts',
  })
  const ignored = { fact: 'ignored', mac: known.mac } as const
  const line = `dnsmasq-dhcp[12]: DHCPDISCOVER(deploy0) ${known.mac} ignored`
  t.deepEqual(readLogLine(line), ignored)
  t.deepEqual(
    readLogLine(`dnsmasq-dhcp: DHCPREQUEST(deploy0) 10.88.0.9 ${known.mac} ignored`),
    ignored,
  )
  t.is(readLogLine('dnsmasq-dhcp[12]: DHCPACK(deploy0) 10.88.0.7 x'), undefined)
})

test('what a network sends is read or left, and never a fault', (t) => {
  const message = dhcpMessage({ transaction: 7, mac: known.mac, options: [[53, [1]]] })
  t.is(readDhcpAnswer(message), undefined, 'a question is no answer')
  message[0] = 2
  message[242] = messageTypes.offer
  message.set([10, 88, 0, 9], 16)
  message.set(Buffer.from('evil\u001b[2J.0\0', 'latin1'), 108)
  t.deepEqual(readDhcpAnswer(message), {
    transaction: 7,
    mac: known.mac,
    offered: '10.88.0.9',
    kind: messageTypes.offer,
    server: undefined,
    bootFile: 'evil?[2J.0',
  })
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 0, maxLength: 400 }), fc.boolean(), (bytes, isLike) => {
      const any = Buffer.from(bytes)
      if (isLike && any.length >= 240) {
        any.set([2, 1, 6], 0)
        any.set([0x63, 0x82, 0x53, 0x63], 236)
      }
      const answer = readDhcpAnswer(any)
      t.regex(answer?.bootFile ?? 'x', /^[\x20-\x7e]+$/)
    }),
  )
})
