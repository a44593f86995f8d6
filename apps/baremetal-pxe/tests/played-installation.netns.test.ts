/** The whole road of a chassis through the daemon as users run it, with a real BMC (ipmi_sim) and
 *  the real boot service; the node is played by the test over HTTP. What needs a machine is in the
 *  roads with guests; this one shows that everything in between fits together. */
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { zstdCompressSync } from 'node:zlib'
import { run } from '@purlin/base'
import anyTest, { type TestFn } from 'ava'
import { makeRig, until } from './daemon-rig.ts'
import { PlayedNode } from './support/played-node.ts'

const test = anyTest.serial as TestFn<unknown>
const CHASSIS = 'rack1-u07'
const MACS = ['52:54:00:88:00:07', '52:54:00:88:00:08']
const node = new PlayedNode('52:54:00:88:00:07', '10.88.0.100')
const INSTALLED = '10.88.0.50'

const REPORT = {
  version: 1,
  system: { uuid: '0f0f0f0f-1111-2222-3333-444444444444', serial: 'SC-0007' },
  firmware: { mode: 'bios' },
  cpu: { architecture: 'x86_64', sockets: [{ model: 'CPU', cores: 2, threads: 4 }] },
  memory: { sizeMiB: 4_096 },
  disks: [
    {
      name: 'vda',
      serial: 'd0',
      sizeBytes: 8 * 1024 ** 3,
      media: 'ssd',
      transport: 'virtio',
      links: ['virtio-d0'],
    },
  ],
  nics: MACS.map((mac, index) => ({ name: `eth${index}`, mac, link: true })),
}

let rig: Awaited<ReturnType<typeof makeRig>>

anyTest.before('the daemon starts', async () => {
  rig = await makeRig()
})

anyTest.after.always('everything ends', async () => {
  await rig?.end()
})

const lifeOf = async () => (await rig.client.chassis.get(CHASSIS)).status.life

/** The node is on and nothing but it is waited for. */
const switchedOn = (state: string) =>
  until(`${state}, switched on`, async () => {
    const life = await lifeOf()
    if (life?.state === 'failed') throw new Error(JSON.stringify(life.failure))
    return life?.state === state && life.step === 'first contact' && life
  })
const reached = (state: string) =>
  until(`chassis ${CHASSIS} in state ${state}`, async () => {
    const life = await lifeOf()
    if (life?.state === 'failed') throw new Error(JSON.stringify(life.failure))
    return life?.state === state && life
  })

/** Gives this host the addresses of the node that it plays. Not while a manifest is applied: what
 *  the host has itself is given to no chassis. */
async function address(verb: 'add' | 'del'): Promise<void> {
  for (const one of ['10.88.0.100', INSTALLED]) {
    await run('ip', ['address', verb, `${one}/32`, 'dev', 'deploy0'], { timeoutMs: 10_000 })
  }
}

/** A medium of the least that a Debian has: a kernel, an initrd, and where packages would be. */
async function writeMedium(): Promise<void> {
  const tree = join(rig.folder, 'tree')
  const texts = {
    'debian-installer/amd64/linux': 'kernel',
    'debian-installer/amd64/initrd.gz': 'initrd',
    'dists/trixie/Release': 'Suite: stable\n',
    '.disk/info': 'Debian GNU/Linux 13.0.0 "Trixie" - Unofficial amd64 NETINST\n',
  }
  for (const [path, text] of Object.entries(texts)) {
    await mkdir(dirname(join(tree, path)), { recursive: true })
    await writeFile(join(tree, path), text)
  }
  const medium = join(rig.manifests, 'media/debian-13.iso')
  await run('tar', ['-C', tree, '-cf', medium, '.'], { timeoutMs: 30_000 })
}

test('discovered, installed by its installer, and active when the installed system tells', async (t) => {
  await writeMedium()
  const text = await readFile(rig.manifest, 'utf8')
  await writeFile(rig.manifest, text.replace('monitoring: true', 'monitoring: false'))
  const task = await rig.client.applyFile(rig.manifest)
  await switchedOn('discovering')
  await address('add')
  const discovery = await node.boot()
  t.regex(discovery.script, /\/system\/kernel .*purlin\.url=https?:\/\/10\.88\.0\.1:\d+\/node\//)
  t.is(await node.post(`/node/${discovery.token}/report`, REPORT), 200)

  await switchedOn('booting')
  t.not((await node.get(`/node/${discovery.token}/orders`)).status, 200)
  const { script, token } = await node.boot()
  t.regex(
    script,
    /\/media\/debian-13\/debian-installer\/amd64\/linux .*auto=true priority=critical/,
  )
  t.is((await node.get('/media/debian-13/debian-installer/amd64/linux')).text, 'kernel')
  const answer = await node.get(`/node/${token}/file/preseed.cfg`)
  t.is(answer.status, 200)
  t.regex(answer.text, new RegExp(`http://10\\.88\\.0\\.1:8088/node/${token}/event/installing`))
  t.is((await node.get(`/node/${token}/file/preseed.cfg`)).status, 410)
  for (const step of ['installing', 'partitioning']) {
    t.is(await node.post(`/node/${token}/event/${step}`, {}), 200, step)
  }
  const post = await node.get(`/node/${token}/file/post.sh`)
  t.regex(post.text, /Name=bond0/)
  for (const step of ['configuring', 'installed']) {
    t.is(await node.post(`/node/${token}/event/${step}`), 200, step)
  }
  t.regex((await node.boot()).script, /boot from disk/)
  t.is((await node.get('/media/debian-13/dists/trixie/Release')).status, 200)
  t.is(await node.post(`/node/${token}/event/running`, undefined, INSTALLED), 200)
  await reached('active')
  t.is((await task.wait()).state, 'succeeded')
})

test('deleted: its disks are erased by the discovery system, then it is available and off', async (t) => {
  const deleting = await rig.client.bareMetalInstances.delete('db-1-metal')
  await switchedOn('erasing')
  const { token } = await node.boot()
  t.is(await node.post(`/node/${token}/event/erased`), 409)
  t.is(await node.post(`/node/${token}/report`, REPORT), 200)
  const orders = await node.get(`/node/${token}/orders`)
  t.like(JSON.parse(orders.text), { order: 'erase', how: 'quick', disks: [{ link: 'virtio-d0' }] })
  for (const step of ['erasing', 'erasing', 'erased']) {
    t.is(await node.post(`/node/${token}/event/${step}`), 200, step)
  }
  await reached('available')
  t.is(rig.chassis.power, 'off')
  t.is((await deleting.wait()).state, 'succeeded')
})

test('by an image: proved by its report, ordered, active; a failure it tells is kept whole', async (t) => {
  await writeFile(join(rig.manifests, 'root.tar.zst'), zstdCompressSync(Buffer.alloc(10_240)))
  await writeFile(
    join(rig.manifests, 'image.yaml'),
    [
      'kind: Image',
      'name: debian-root',
      'spec: { family: debian, version: "13", file: ./root.tar.zst }',
      '---',
      'kind: BareMetalInstance',
      'name: db-2-metal',
      `spec: { chassis: ${CHASSIS}, template: db-server, source: { image: debian-root } }`,
    ].join('\n'),
  )
  await address('del')
  await rig.client.applyFile(join(rig.manifests, 'image.yaml'))
  await switchedOn('booting')
  await address('add')
  const first = await node.boot()
  t.is(await node.post(`/node/${first.token}/event/installing`), 409)
  t.is(await node.post(`/node/${first.token}/report`, REPORT), 200)
  const orders = JSON.parse((await node.get(`/node/${first.token}/orders`)).text)
  t.is(orders.order, 'image')
  t.deepEqual(orders.steps[0], {
    do: 'tell',
    step: 'installing',
    url: `http://10.88.0.1:8088/node/${first.token}/event/installing`,
  })
  t.is((await node.get('/image/debian-root')).status, 200)
  await node.post(`/node/${first.token}/event/installing`)
  const message = 'check-disk: virtio-d0 is not there'
  t.is(await node.post(`/node/${first.token}/event/failed`, { message }), 200)
  const failed = await until('it has failed', async () => {
    const life = await lifeOf()
    return life?.state === 'failed' && life.failure?.power !== undefined && life
  })
  t.like(failed.failure, { state: 'installing', code: 'PUR_LIFE_NODE_FAILED', retriable: true })
  t.regex(failed.failure?.cause ?? '', /virtio-d0 is not there/)
  await until('it is switched off', async () => rig.chassis.power === 'off')

  await rig.client.chassis.retry(CHASSIS)
  await switchedOn('booting')
  const { token } = await node.boot()
  await node.post(`/node/${token}/report`, REPORT)
  const steps = ['installing', 'partitioning', 'writing', 'bootloader', 'configuring']
  for (const step of [...steps, 'installed', 'rebooting']) {
    t.is(await node.post(`/node/${token}/event/${step}`), 200, step)
  }
  t.is(await node.post(`/node/${token}/event/running`, undefined, INSTALLED), 200)
  await reached('active')
})
