/** Starts a host with a switch and a libvirtd, writes its folder, and stays until it is killed:
 *  what the tests of killed launchers start. Argument: a lock file. */
import { PrivateHost } from '../sandbox/host.ts'
import { startLibvirtd } from '../sandbox/libvirtd.ts'
import { startSwitch } from '../sandbox/switch.ts'

const [lockFile] = process.argv.slice(2)
const host = await PrivateHost.start({
  name: 'killed',
  ...(lockFile !== undefined && { lockFile }),
})
await Promise.all([startSwitch(host), startLibvirtd(host)])
process.stdout.write(`${host.paths.folder}\n`)
setInterval(() => undefined, 60_000)
