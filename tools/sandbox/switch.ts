import { join } from 'node:path'
import type { PrivateHost } from './host.ts'

const SCHEMA = '/usr/share/openvswitch/vswitch.ovsschema'

/** The socket of the host's switch database. */
export function switchSocket(host: PrivateHost): string {
  return join(host.paths.switch, 'db.sock')
}

/** Starts an Open vSwitch of the host's own: database and switch, no bridge. The datapath is the
 *  userspace one, since the kernel's would need a module that may not be there. Both go on as
 *  daemons of the host. */
export async function startSwitch(host: PrivateHost): Promise<void> {
  const folder = host.paths.switch
  const environment = { OVS_RUNDIR: folder, OVS_LOGDIR: host.paths.log }
  const options = { timeoutMs: 20_000, environment }
  const database = join(folder, 'conf.db')
  const daemon = (name: string): string[] => [
    `--pidfile=${join(folder, `${name}.pid`)}`,
    `--unixctl=${join(folder, `${name}.ctl`)}`,
    `--log-file=${join(host.paths.log, `${name}.log`)}`,
    '--detach',
    '-vconsole:off',
  ]
  await host.run('ovsdb-tool', ['create', database, SCHEMA], options)
  const remote = `--remote=punix:${switchSocket(host)}`
  await host.run('ovsdb-server', [database, remote, ...daemon('ovsdb-server')], options)
  await switchControl(host, ['--no-wait', 'init'])
  const connection = `unix:${switchSocket(host)}`
  await host.run('ovs-vswitchd', [connection, ...daemon('ovs-vswitchd')], options)
}

/** Runs ovs-vsctl(8) on the host's switch and gives what it prints. */
export async function switchControl(host: PrivateHost, args: readonly string[]): Promise<string> {
  const database = `--db=unix:${switchSocket(host)}`
  const outcome = await host.run('ovs-vsctl', [database, '--timeout=20', ...args], {
    timeoutMs: 25_000,
    environment: { OVS_RUNDIR: host.paths.switch },
  })
  return outcome.stdout
}
