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

test('a file that is not TOML is refused with the file’s name', (t) => {
  t.throws(() => parseConfiguration('[api', 'host-agent.toml'), {
    message: /^host-agent\.toml: not TOML/,
  })
})
