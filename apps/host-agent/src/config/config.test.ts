import test from 'ava'
import { parseConfiguration } from './config.ts'

test('an empty file means the defaults of a packaged host', (t) => {
  const configuration = parseConfiguration('', 'host-agent.toml')
  t.is(configuration.api.socket, '/run/purlin/host-agent.sock')
  t.is(configuration.api.tcpPort, 0)
  t.is(configuration.reconcile.drift, 'repair')
})

test('an unknown field, a relative path and a too long socket are named with file and path', (t) => {
  const text = `[api]\nsocket = "/${'x'.repeat(120)}"\nport = 1\n[state]\nfolder = "state"\n`
  const error = t.throws(() => parseConfiguration(text, 'host-agent.toml'), {
    code: 'PUR_CONFIG_INVALID',
  })
  t.regex(error?.message ?? '', /host-agent\.toml: .*api\.port: unknown field/)
  t.regex(error?.message ?? '', /api\.socket: must fit a unix socket/)
  t.regex(error?.message ?? '', /state\.folder: must be an absolute path/)
})

test('a store in etcd is named by addresses of https and files; without them it is refused', (t) => {
  const files = ['ca', 'certificate', 'key'].map((name) => `${name} = "/etc/${name}"`).join('\n')
  const table = (endpoint: string) =>
    `[store]\nengine = "etcd"\nendpoints = ["${endpoint}"]\n${files}\n[fleet]\nlisten = "[::1]:7443"`
  const { store, fleet } = parseConfiguration(table('https://192.0.2.1:2379'), 'host-agent.toml')
  t.like(store, { engine: 'etcd', prefix: '/purlin', keptRevisions: 20_000, ca: '/etc/ca' })
  t.is(fleet.listen, '[::1]:7443')
  const plain = t.throws(() =>
    parseConfiguration(table('http://192.0.2.1:2379'), 'host-agent.toml'),
  )
  t.regex(plain?.message ?? '', /store\.endpoints\[0\]: must be https:\/\/HOST:PORT/)
  const bare = t.throws(() => parseConfiguration('[store]\nengine = "etcd"', 'host-agent.toml'))
  t.regex(bare?.message ?? '', /store\.endpoints/)
})

test('a file that is not TOML is refused with the file’s name', (t) => {
  t.throws(() => parseConfiguration('[api', 'host-agent.toml'), {
    message: /^host-agent\.toml: not TOML/,
  })
})
