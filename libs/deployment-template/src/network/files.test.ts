import test from 'ava'
import { mirroredSpec, plainSpec, templateOf } from '../../tests/samples.ts'
import { networkManagerFiles } from './keyfiles.ts'
import { linksOf, type SystemFile } from './links.ts'
import { networkdFiles } from './networkd.ts'

const BOOT = '52:54:00:88:00:07'
const mirrored = linksOf(templateOf(mirroredSpec).network, BOOT)

function whole(files: readonly SystemFile[]): string {
  return files.map(({ path, mode, content }) => `# ${path} ${mode}\n${content}`).join('\n')
}

test('bonds, VLANs, addresses, routes and DNS as files of networkd', (t) => {
  t.snapshot(whole(networkdFiles(mirrored)))
})

test('bonds, VLANs, addresses, routes and DNS as NetworkManager keyfiles', (t) => {
  t.snapshot(whole(networkManagerFiles(mirrored)))
})

test('a template without a network gets DHCP on the NIC that it was installed through', (t) => {
  const links = linksOf(templateOf(plainSpec).network, BOOT)
  t.snapshot(whole([...networkdFiles(links), ...networkManagerFiles(links)]))
})
