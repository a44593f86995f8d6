import test from 'ava'
import fc from 'fast-check'
import { readAddress, URL_LIMIT } from './address.ts'

const TOKEN = 'AbCdEfGhIjKlMnOpQrStUv'

test('every address of the deployment network is read as what it asks for', (t) => {
  t.deepEqual(readAddress('/boot.ipxe'), { ask: 'chain' })
  const says = { platform: 'efi', uuid: '4c4c4544-0042', serial: 'A/B C&D+E' }
  t.deepEqual(
    readAddress(
      '/boot/52-54-00-88-00-0A.ipxe?platform=efi&uuid=4c4c4544-0042&serial=A%2FB%20C&D+E',
    ),
    { ask: 'boot', mac: '52:54:00:88:00:0a', says },
  )
  t.deepEqual(readAddress('/boot/52:54:00:88:00:0a.ipxe?platform=%zz&uuid=&serial=%00'), {
    ask: 'boot',
    mac: '52:54:00:88:00:0a',
    says: {},
  })
  t.deepEqual(readAddress('/system/kernel'), { ask: 'system', name: 'kernel' })
  t.deepEqual(readAddress('/media/debian-13//dists/./trixie/a%2Bb'), {
    ask: 'media',
    name: 'debian-13',
    segments: ['dists', 'trixie', 'a+b'],
  })
  t.deepEqual(readAddress(`/node/${TOKEN}/file/post.sh`), {
    ask: 'file',
    token: TOKEN,
    name: 'post.sh',
  })
  t.deepEqual(readAddress(`/node/${TOKEN}/event/installed`), {
    ask: 'event',
    token: TOKEN,
    step: 'installed',
  })
  for (const path of ['/', '/boot', '/media/a', '/node/x', '/boot/52-54.ipxe', '/system/a/b']) {
    t.is(readAddress(path).ask, 'nothing', path)
  }
})

test('ways out of a tree are seen, however they are written', (t) => {
  const ways = [
    '/media/a/../../etc/passwd',
    '/media/a/%2e%2e/%2e%2e/etc/passwd',
    '/media/a/..%2f..%2fetc%2fpasswd',
    '/media/a/%2E./x',
    '/media/a/b%00c',
    '/media/a/b%2fc',
    '/media/a/%zz',
    '/media/a/%',
    '/../x',
    'http://10.88.0.1/system/kernel',
    '*',
    '',
    `/${'a'.repeat(URL_LIMIT)}`,
  ]
  for (const way of ways) t.is(readAddress(way).ask, 'hostile', way)
})

test('no address is read as a path with a separator, a way up or a zero byte', (t) => {
  const part = fc.oneof(
    fc.constantFrom('..', '.', '%2e', '%2f', '%5c', '%00', '/', '//', '\\', '%252f', '?', '%c0%af'),
    fc.string({ unit: 'binary', maxLength: 6 }),
  )
  const target = fc.array(part, { maxLength: 12 }).map((parts) => `/media/x/${parts.join('')}`)
  fc.assert(
    fc.property(target, (text) => {
      const asked = readAddress(text)
      if (asked.ask !== 'media') return
      for (const segment of asked.segments) {
        t.false(segment === '..' || segment === '.' || segment === '' || /[/\0]/.test(segment))
      }
    }),
  )
  t.pass()
})
