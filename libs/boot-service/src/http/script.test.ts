import test from 'ava'
import fc from 'fast-check'
import { bootScript, chainScript, refusedScript } from './script.ts'

const URL = 'http://10.88.0.1:8088'

test('the scripts of a node', (t) => {
  t.snapshot(chainScript(URL), 'the first, which says who asks')
  t.snapshot(bootScript({ boot: 'disk' }, URL, { authority: true }), 'from disk')
  const discovery = {
    boot: 'discovery',
    arguments: ['purlin.url=http://x/node/T', 'quiet'],
  } as const
  t.snapshot(bootScript(discovery, URL, { authority: true }), 'discovery')
  const installer = {
    boot: 'installer',
    kernel: '/media/debian-13/install.amd/vmlinuz',
    initrds: ['/media/debian-13/install.amd/initrd.gz', '/system/keys+1.cpio'],
    arguments: ['auto=true', 'url=http://x/node/T/file/preseed.cfg'],
  } as const
  t.snapshot(bootScript(installer, URL, { authority: false }), 'an installer')
  t.snapshot(refusedScript('rack1-u07 is in maintenance'), 'a refusal')
})

test('no reason makes another line, a setting or a command of a script', (t) => {
  const parts = fc.constantFrom(
    '\n',
    '\r',
    '${',
    '}',
    '||',
    '&&',
    ';',
    '#!ipxe',
    'shell',
    '\u2028',
    'ä',
  )
  const text = fc.array(fc.oneof(parts, fc.string({ unit: 'binary' }))).map((all) => all.join(''))
  const plain = refusedScript('plain').split('\n')
  fc.assert(
    fc.property(text, (reason) => {
      const lines = refusedScript(reason).split('\n')
      t.is(lines.length, plain.length)
      t.regex(lines[1] ?? '', /^# [^${}|&;#]*$/)
      t.regex(lines[2] ?? '', /^echo Purlin: [\x20-\x7e]*$/)
      t.notRegex(lines[2] ?? '', /[${}|&;]/)
      t.deepEqual(lines.slice(3), plain.slice(3))
    }),
  )
})

test('an argument that is no plain word stops at the renderer', (t) => {
  const setting = `$${'{net0/mac}'}`
  for (const word of ['', 'a b', 'a\nshell', setting, '||', '&&', ';', '#x', 'ü', '\0']) {
    const decision = { boot: 'discovery', arguments: [word] } as const
    t.throws(() => bootScript(decision, URL, { authority: false }), undefined, JSON.stringify(word))
  }
  const long = { boot: 'discovery', arguments: ['x'.repeat(2_000)] } as const
  t.throws(() => bootScript(long, URL, { authority: false }))
  fc.assert(
    fc.property(
      fc.array(fc.stringMatching(/^[a-z0-9=/:.,_-]{1,20}$/), { maxLength: 20 }),
      (words) => {
        const script = bootScript({ boot: 'discovery', arguments: words }, URL, { authority: true })
        const [, kernel = ''] = script.split('\n')
        t.true(
          kernel.endsWith(
            ` ${['initrd=purlin0.img', 'initrd=purlin1.img', ...words].join(' ')} || goto failed`,
          ),
        )
      },
    ),
  )
})
