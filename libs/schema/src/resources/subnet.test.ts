import test from 'ava'
import { networkBoot, subnet } from './subnet.ts'

function problemsOf(value: unknown): readonly string[] {
  const parsed = subnet.safeParse(value)
  const issues = parsed.success ? [] : parsed.error.issues
  return issues.map(({ path, message }) => `${path.join('.')}: ${message}`)
}

test('addresses made by machines need IPv6, a prefix of 64 bits and a gateway', (t) => {
  t.deepEqual(problemsOf({ cidr: 'fd77::/64', gateway: 'fd77::1', slaac: true }), [])
  t.deepEqual(problemsOf({ cidr: 'fd77::/56', slaac: true }), [
    'slaac: needs an IPv6 network of /64: fd77::/56 is none',
    'gateway: must be given where machines make their addresses: it advertises',
  ])
  t.deepEqual(problemsOf({ cidr: '10.0.0.0/24', gateway: '10.0.0.1', slaac: true }), [
    'slaac: needs an IPv6 network of /64: 10.0.0.0/24 is none',
  ])
})

test('a boot file cannot break out of the line it is written in', (t) => {
  t.true(networkBoot.safeParse({ nextServer: '10.0.0.9', bios: 'pxelinux.0' }).success)
  for (const bios of ['a b', 'a,b', 'a\nport=1', '']) {
    t.false(networkBoot.safeParse({ bios }).success, bios)
  }
  t.false(networkBoot.safeParse({ nextServer: 'fd77::9' }).success)
})
