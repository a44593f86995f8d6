import test from 'ava'
import { liveText } from './live-packet.ts'

test('the way of a live packet is a line for each namespace, the drop with its rule', (t) => {
  const rule = 'table inet somebody, chain shut: tcp dport 5432 drop'
  const packet = '10.1.0.5 -> 10.2.0.5 tcp 49999 -> 5432'
  const text = liveText(
    {
      outcome: 'disagrees',
      untraced: [],
      crossing: {
        traced: true,
        verdict: 'deny',
        agrees: false,
        hops: [
          { by: 'gateway', name: 'web', outcome: 'passed', device: 'rt0', packet },
          { by: 'router', name: 'edge', outcome: 'dropped', rule },
          { by: 'gateway', name: 'db', outcome: 'unseen' },
        ],
      },
    },
    false,
  )
  t.is(
    text,
    [
      '\nthe kernel disagrees',
      'way: deny, not as told',
      `  gateway web: passed by rt0 as ${packet}`,
      `  router edge: dropped by ${rule}`,
      '  gateway db: it did not come here\n',
    ].join('\n'),
  )
  const untraced = { traced: false, reason: 'router edge does not stand on this host' } as const
  t.regex(
    liveText({ outcome: 'untraced', untraced: [], crossing: untraced }, false),
    /^way: not traced: router edge does not stand/m,
  )
})
