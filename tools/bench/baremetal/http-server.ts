/** The boot service of a deployment network that lets everybody read one root image, as a program:
 *  `http-server.ts FOLDER IMAGE`. It prints a line when it answers. */
import { type NodeDesk, openBootService, refusal } from '@purlin/boot-service'

const [folder = '', image = ''] = process.argv.slice(2)
const no = refusal(403, 'a benchmark reads images alone')
const desk: NodeDesk = {
  onBoot: async () => ({ boot: 'disk' }),
  grantOf: () => undefined,
  fileOf: async () => no,
  spendFile: async () => false,
  onEvent: async () => no,
  onReport: async () => no,
  ordersOf: async () => no,
  mayRead: async () => ({ ok: true, path: image }),
  onMetrics: async () => ({ status: 401, message: no.reason }),
}
const service = await openBootService({
  network: 'bench',
  interface: 'bench0',
  subnet: { cidr: '10.88.0.0/24', from: '10.88.0.100', to: '10.88.0.199' },
  folder,
  desk,
  systemFile: () => undefined,
  onNotice: () => {},
})
process.on('SIGTERM', () => void service.close().then(() => process.exit(0)))
process.stdout.write(`${service.urls.http}\n`)
