import test from 'ava'
import type { Setting } from '../router/settings.ts'
import { unstated } from '../router/tell.ts'
import { lackingOf, plainLine } from './listing.ts'

const lines = [
  'ipv4 2: leg-1 inet 169.254.0.1/32 scope global leg-1\\ valid_lft forever preferred_lft forever',
  'ipv4 10.2.0.0/24 via 169.254.0.2 dev leg-1 onlink',
  'ipv4 default via 192.0.2.1 dev ext0 onlink',
  'ipv4 30000: from all lookup local',
  'ipv4 10.1.0.5 dev eth0 lladdr 52:54:00:ea:22:f2 PERMANENT',
  'ipv6 fd01::/64 via fe80::2 dev leg-1 metric 1024 onlink pref medium',
  'rules: table inet purlin-router { }',
]
const setting = (family: 'ipv4' | 'ipv6', apply: string): Setting => ({ family, apply, undo: '' })

test('what the kernel changes by itself makes no other line', (t) => {
  t.is(plainLine('10.9.0.0/24 via 10.0.0.2 dev lo linkdown '), '10.9.0.0/24 via 10.0.0.2 dev lo')
  t.is(
    plainLine('fe80::/64 dev eth0 proto kernel expires 12sec pref medium'),
    'fe80::/64 dev eth0 proto kernel pref medium',
  )
})

test('lines that are gone are lacking, of rules the table; what was added is not looked at', (t) => {
  t.deepEqual(lackingOf(lines, [...lines, 'ipv4 10.3.0.0/24 dev lo']), [])
  t.deepEqual(lackingOf(lines, lines.slice(1, -1)), [lines[0], 'table inet purlin-router'])
})

test('a setting is found in the listing, whatever it is of, and in its family alone', (t) => {
  const standing = [
    setting('ipv4', 'address replace 169.254.0.1/32 dev leg-1'),
    setting('ipv4', 'route replace 10.2.0.0/24 via 169.254.0.2 dev leg-1 onlink'),
    setting('ipv4', 'route replace 0.0.0.0/0 via 192.0.2.1 dev ext0 onlink'),
    setting('ipv4', 'rule add pref 30000 lookup local'),
    setting('ipv4', 'neigh replace 10.1.0.5 lladdr 52:54:00:ea:22:f2 dev eth0 nud permanent'),
    setting('ipv6', 'route replace fd01:0::/64 via fe80::2 dev leg-1 onlink'),
  ]
  t.deepEqual(unstated(standing, lines), [])
  const gone = [
    setting('ipv6', 'rule add pref 30000 lookup local'),
    setting('ipv4', 'route replace 10.2.0.0/16 via 169.254.0.2 dev leg-1 onlink'),
  ]
  t.deepEqual(unstated([...standing, ...gone], lines), gone)
})
