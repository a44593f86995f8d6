import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { emulationOf } from './emulation.ts'
import type { ChassisOptions } from './options.ts'

export interface BmcPorts {
  /** TCP, this process: what the BMC asks of the chassis. */
  readonly controlPort: number
  /** TCP, this process: the serial line. */
  readonly serialPort: number
  /** TCP, the simulator: the machine's KCS. */
  readonly inBandPort: number
}

/** Writes what ipmi_sim reads, and gives its arguments. */
export async function writeBmcFiles(
  options: ChassisOptions,
  ports: BmcPorts,
): Promise<readonly string[]> {
  const { folder, serial } = options
  await mkdir(join(folder, 'bmc'), { recursive: true, mode: 0o700 })
  const control = join(folder, 'chassis-control')
  await writeFile(control, controlScript(ports.controlPort), { mode: 0o700 })
  await writeFile(join(folder, 'lan.conf'), lanConfiguration(options, ports), { mode: 0o600 })
  await writeFile(join(folder, 'bmc.emu'), emulationOf(serial))
  return [
    ...['-c', join(folder, 'lan.conf'), '-f', join(folder, 'bmc.emu')],
    ...['-s', join(folder, 'bmc'), '-n'],
  ]
}

/** ipmi_sim calls a program for what concerns the chassis; this one hands the words on. */
function controlScript(port: number): string {
  return `#!/bin/bash
exec 3<>/dev/tcp/127.0.0.1/${port} || exit 1
echo "$*" >&3
cat <&3
`
}

/** Source: ipmi_lan(5). */
function lanConfiguration(options: ChassisOptions, ports: BmcPorts): string {
  const { folder, name, bmcAddress, ipmiPort, username, password, uuid } = options
  const levels = ['callback', 'user', 'operator', 'admin']
  return `name "${name}"
set_working_mc 0x20
  startlan 1
    addr ${bmcAddress} ${ipmiPort}
    priv_limit admin
${levels.map((level) => `    allowed_auths_${level} none md2 md5 straight`).join('\n')}
    guid ${guidOf(uuid)}
  endlan
  chassis_control "${join(folder, 'chassis-control')} 0x20"
  serial 15 127.0.0.1 ${ports.inBandPort} codec VM
  sol "tcp:127.0.0.1:${ports.serialPort}" 115200 history=16000
  user 1 false "" "" user 10 none md2 md5 straight
  user 2 true "${username}" "${password}" admin 10 none md2 md5 straight
`
}

/** The bytes of a UUID as SMBIOS has them, the first three fields with their low byte first; most
 *  boards hand them to their BMC so. */
export function guidOf(uuid: string): string {
  const [low = '', middle = '', high = '', ...rest] = uuid.toLowerCase().split('-')
  const turned = (field: string): string => (field.match(/../g) ?? []).reverse().join('')
  return [turned(low), turned(middle), turned(high), ...rest].join('')
}
