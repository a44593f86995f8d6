import { PurlinError } from '@purlin/base'
import test from 'ava'
import { deadlinesOf, parseConfiguration, readConfiguration } from './config.ts'

test('without a file the daemon is that of its packages', async (t) => {
  const configuration = await readConfiguration('/no/such/file.toml')
  t.is(configuration.state.folder, '/var/lib/purlin/baremetal')
  t.is(configuration.run.folder, '/run/purlin/baremetal')
  t.is(configuration.api.socket, '/run/purlin/baremetal-pxe.sock')
  t.is(configuration.api.tcpPort, 0)
  t.like(configuration.boot, { httpPort: 8088, httpsPort: 8448, biosLoader: 'ipxe' })
  t.deepEqual(deadlinesOf(configuration), {})
})

test('a field that there is none of is refused by its path, as is a wrong value', (t) => {
  const text = '[boot]\nhttpPort = 0\n[api]\nport = 1\n[deadlines]\nfirstContact = 3\n'
  const error = t.throws(() => parseConfiguration(text, 'file.toml'), { instanceOf: PurlinError })
  t.is(error.code, 'PUR_CONFIG_INVALID')
  t.regex(error.message, /^file\.toml: .*api.*port/)
  t.regex(error.message, /boot\.httpPort/)
  t.regex(error.message, /firstContact/)
})

test('deadlines are seconds in the file and milliseconds in the program', (t) => {
  const text = '[deadlines]\nfirstContactSeconds = 20\npauseSeconds = 0.5\n'
  const configuration = parseConfiguration(text, 'file.toml')
  t.deepEqual(deadlinesOf(configuration), { firstContactMs: 20_000, pauseMs: 500 })
})
