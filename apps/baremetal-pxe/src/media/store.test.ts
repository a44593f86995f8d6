import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { PurlinError, run } from '@purlin/base'
import { imageSpec, installMediaSpec } from '@purlin/schema'
import test, { type ExecutionContext } from 'ava'
import type { ContentStore } from './content.ts'
import { type ContentGrounds, createContentStore } from './store.ts'

const RUN = { timeoutMs: 60_000 }

async function folderOf(t: ExecutionContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'purlin-media-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  return folder
}

async function storeIn(
  t: ExecutionContext,
  folder: string,
  more: Partial<ContentGrounds> = {},
): Promise<ContentStore> {
  const store = await createContentStore({ folder, changed: () => {}, ...more })
  t.teardown(() => store.close())
  return store
}

async function write(folder: string, files: Readonly<Record<string, string>>): Promise<void> {
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder, path)), { recursive: true })
    await writeFile(join(folder, path), text)
  }
}

/** An ISO with Rock Ridge names of the files, as the families' own tools make it. */
async function isoOf(
  t: ExecutionContext,
  files: Readonly<Record<string, string>>,
  links: Readonly<Record<string, string>> = {},
): Promise<Buffer> {
  const folder = await folderOf(t)
  await write(join(folder, 'tree'), files)
  for (const [path, target] of Object.entries(links)) {
    await symlink(target, join(folder, 'tree', path))
  }
  const iso = join(folder, 'made.iso')
  const args = ['-as', 'mkisofs', '-quiet', '-R', '-J', '-o', iso, join(folder, 'tree')]
  await run('xorriso', args, RUN)
  return await readFile(iso)
}

async function tarOf(
  t: ExecutionContext,
  files: Readonly<Record<string, string>>,
): Promise<Buffer> {
  const folder = await folderOf(t)
  await write(join(folder, 'tree'), files)
  const tar = join(folder, 'made.tar.gz')
  await run('bsdtar', ['-czf', tar, '-C', join(folder, 'tree'), '.'], RUN)
  return await readFile(tar)
}

const DEBIAN = {
  'dists/trixie/Release': 'Codename: trixie',
  'pool/main/a.deb': 'a package',
  'debian-installer/amd64/linux': 'kernel',
  'debian-installer/amd64/initrd.gz': 'initrd',
}

async function* chunks(bytes: Buffer, from = 0, to = bytes.length): AsyncGenerator<Buffer> {
  for (let at = from; at < to; at += 65_536) yield bytes.subarray(at, Math.min(to, at + 65_536))
}

function media(family: string, version: string, iso = './x.iso', sha256 = '') {
  return installMediaSpec.parse({ family, version, iso, sha256 })
}

function wantMedia(store: ContentStore, name: string, spec: ReturnType<typeof media>): void {
  store.want({ media: new Map([[name, spec]]), images: new Map() })
}

const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex')

async function send(store: ContentStore, name: string, bytes: Buffer): Promise<void> {
  const upload = { offset: 0, sizeBytes: bytes.length, body: chunks(bytes) }
  await store.upload('InstallMedia', name, upload)
}

const families: readonly {
  readonly family: string
  readonly version: string
  readonly files: Readonly<Record<string, string>>
  readonly target: string
  readonly kernel: string
  readonly initrd: string
  readonly stage?: string
}[] = [
  {
    family: 'rocky',
    version: '9.4',
    files: {
      '.treeinfo': '[general]\nfamily = Rocky Linux\nversion = 9.4\n',
      'images/pxeboot/vmlinuz': 'kernel',
      'images/pxeboot/initrd.img': 'initrd',
      'BaseOS/Packages/a.rpm': 'package',
    },
    target: 'rhel-9',
    kernel: 'images/pxeboot/vmlinuz',
    initrd: 'images/pxeboot/initrd.img',
  },
  {
    family: 'debian',
    version: '13',
    files: { ...DEBIAN, '.disk/info': 'Debian GNU/Linux 13.1.0 "Trixie" - Official amd64' },
    target: 'debian-13',
    kernel: 'debian-installer/amd64/linux',
    initrd: 'debian-installer/amd64/initrd.gz',
  },
  {
    family: 'debian',
    version: '12',
    files: {
      'dists/bookworm/main/installer-amd64/current/images/netboot/debian-installer/amd64/linux':
        'kernel',
      'dists/bookworm/main/installer-amd64/current/images/netboot/debian-installer/amd64/initrd.gz':
        'initrd',
    },
    target: 'debian-12',
    kernel:
      'dists/bookworm/main/installer-amd64/current/images/netboot/debian-installer/amd64/linux',
    initrd:
      'dists/bookworm/main/installer-amd64/current/images/netboot/debian-installer/amd64/initrd.gz',
  },
  {
    family: 'ubuntu',
    version: '24.04',
    files: {
      '.disk/info': 'Ubuntu-Server 24.04.1 LTS "Noble Numbat" - Release amd64',
      'casper/vmlinuz': 'kernel',
      'casper/initrd': 'initrd',
    },
    target: 'ubuntu-24.04',
    kernel: 'casper/vmlinuz',
    initrd: 'casper/initrd',
    stage: 'purlin-installation.iso',
  },
  {
    family: 'sles',
    version: '15.6',
    files: { 'boot/x86_64/loader/linux': 'kernel', 'boot/x86_64/loader/initrd': 'initrd' },
    target: 'sles-15',
    kernel: 'boot/x86_64/loader/linux',
    initrd: 'boot/x86_64/loader/initrd',
  },
  {
    family: 'sles',
    version: '16',
    files: {
      'boot/x86_64/loader/linux': 'kernel',
      'boot/x86_64/loader/initrd': 'initrd',
      'LiveOS/squashfs.img': 'root',
    },
    target: 'sles-16',
    kernel: 'boot/x86_64/loader/linux',
    initrd: 'boot/x86_64/loader/initrd',
    stage: 'LiveOS/squashfs.img',
  },
]

for (const { family, version, files, target, kernel, initrd, stage } of families) {
  test(`an ISO of ${family} ${version} gives its kernel and initrd, as ${target}`, async (t) => {
    const folder = await folderOf(t)
    const store = await storeIn(t, folder)
    wantMedia(store, 'm', media(family, version))
    const iso = await isoOf(t, files)
    await send(store, 'm', iso)
    const medium = await store.readyMedium('m', AbortSignal.timeout(60_000))
    t.deepEqual(medium, {
      name: 'm',
      target: target as never,
      kernel: `/media/m/${kernel}`,
      initrds: [`/media/m/${initrd}`],
      tree: '/media/m',
      ...(stage !== undefined && { stage: `/media/m/${stage}` }),
    })
    const tree = store.placeOf({ tree: 'media', name: 'm' }) ?? ''
    t.is(await readFile(join(tree, kernel), 'utf8'), 'kernel')
    if (stage?.endsWith('.iso')) t.deepEqual(await readFile(join(tree, stage)), iso)
    t.is(store.tree('m')?.kernel, kernel)
    t.like(store.status('InstallMedia', 'm'), { state: 'ready', sha256: sha256(iso) })
  })
}

const refusals: readonly [string, string, string, Readonly<Record<string, string>>, RegExp][] = [
  [
    'another family than it says',
    'debian',
    '13',
    { 'casper/vmlinuz': 'k', 'casper/initrd': 'i' },
    /its files are those of ubuntu, not of debian/,
  ],
  [
    'an installer that reads CDs alone',
    'debian',
    '13',
    { 'dists/a': '', 'install.amd/vmlinuz': 'k', 'install.amd/initrd.gz': 'i' },
    /reads a CD and no network/,
  ],
  [
    'an installer without packages',
    'debian',
    '13',
    { 'debian-installer/amd64/linux': 'k', 'debian-installer/amd64/initrd.gz': 'i' },
    /no packages \(no dists\/\)/,
  ],
  [
    'another version than it says',
    'debian',
    '13',
    { ...DEBIAN, '.disk/info': 'Debian GNU/Linux 12.5.0 "Bookworm"' },
    /it says that it is version 12, not 13/,
  ],
  ['no installer at all', 'rhel', '9', { 'photos/cat.jpg': 'cat' }, /no kernel and initrd found/],
]

for (const [what, family, version, files, expected] of refusals) {
  test(`a medium with ${what} is refused, and says so`, async (t) => {
    const folder = await folderOf(t)
    const store = await storeIn(t, folder)
    wantMedia(store, 'm', media(family, version))
    await send(store, 'm', await isoOf(t, files))
    const error = await t.throwsAsync(store.readyMedium('m', AbortSignal.timeout(60_000)), {
      instanceOf: PurlinError,
    })
    t.is(error?.code, 'PUR_MEDIA_LAYOUT')
    t.regex(error?.message ?? '', expected)
    t.is(store.placeOf({ tree: 'media', name: 'm' }), undefined)
    t.false(existsSync(join(folder, 'trees', 'm.new')))
  })
}

/** A tar whose entries no honest tool would write. */
function hostileTar(entries: readonly (readonly [string, string, string])[]): Buffer {
  const blocks = entries.flatMap(([name, type, link]) => {
    const head = Buffer.alloc(512)
    head.write(name, 0)
    head.write('0000644\0', 100)
    head.write('0000000\0', 108)
    head.write('0000000\0', 116)
    head.write('00000000000\0', 124)
    head.write('00000000000\0', 136)
    head.write('        ', 148)
    head.write(type, 156)
    head.write(link, 157)
    head.write('ustar\x0000', 257)
    const sum = head.reduce((total, byte) => total + byte, 0)
    head.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
    return [head]
  })
  return Buffer.concat([...blocks, Buffer.alloc(1024)])
}

const hostiles: readonly [string, () => Buffer][] = [
  ['a link to an absolute path', () => hostileTar([['out', '2', '/etc']])],
  ['a link above the tree', () => hostileTar([['a/out', '2', '../../etc/passwd']])],
  ['a device', () => hostileTar([['dev', '3', '']])],
  ['a path that goes up', () => hostileTar([['../../purlin-escaped', '0', '']])],
  [
    'a file through a link',
    () =>
      hostileTar([
        ['here', '2', '.'],
        ['here/purlin-in', '0', ''],
      ]),
  ],
  ['bytes that are no archive', () => Buffer.alloc(8_192, 7)],
  ['nothing in it', () => hostileTar([])],
]

for (const [what, make] of hostiles) {
  test(`a medium with ${what} is not extracted`, async (t) => {
    const folder = await folderOf(t)
    const store = await storeIn(t, folder)
    wantMedia(store, 'm', media('debian', '13'))
    await send(store, 'm', make())
    const error = await t.throwsAsync(store.readyMedium('m', AbortSignal.timeout(60_000)), {
      instanceOf: PurlinError,
    })
    t.is(error?.code, 'PUR_MEDIA_HOSTILE', error?.message)
    t.false(existsSync(join(folder, 'trees', 'm')))
    t.false(existsSync(join(folder, 'trees', 'm.new')))
    t.false(existsSync(join(folder, 'purlin-escaped')))
    t.false(existsSync(join(dirname(folder), 'purlin-escaped')))
  })
}

test('an ISO with a link out of it is not extracted, one that stays inside is', async (t) => {
  const folder = await folderOf(t)
  const store = await storeIn(t, folder)
  const specs = new Map([
    ['good', media('debian', '13', './good.iso')],
    ['bad', media('debian', '13', './bad.iso')],
  ])
  store.want({ media: specs, images: new Map() })
  await send(store, 'good', await isoOf(t, DEBIAN, { debian: '.', stable: 'dists/trixie' }))
  await send(store, 'bad', await isoOf(t, DEBIAN, { out: '../../../etc/passwd' }))
  const signal = AbortSignal.timeout(60_000)
  t.is((await store.readyMedium('good', signal)).target, 'debian-13')
  const error = await t.throwsAsync(store.readyMedium('bad', signal), { instanceOf: PurlinError })
  t.is(error?.code, 'PUR_MEDIA_HOSTILE')
})

test('an upload that was cut off goes on where it ended, and nothing else is taken', async (t) => {
  const store = await storeIn(t, await folderOf(t))
  const tar = await tarOf(t, DEBIAN)
  const cut = tar.length - 100
  wantMedia(store, 'm', media('debian', '13', './x.tar', sha256(tar)))
  const part = { offset: 0, sizeBytes: tar.length, body: chunks(tar, 0, cut) }
  t.like(await store.upload('InstallMedia', 'm', part), { state: 'absent', bytes: cut })
  const wrong = { offset: 5, sizeBytes: tar.length, body: chunks(tar, 5) }
  const error = await t.throwsAsync(store.upload('InstallMedia', 'm', wrong), {
    instanceOf: PurlinError,
  })
  t.is(error?.code, 'PUR_MEDIA_OFFSET')
  t.deepEqual(error?.context, { bytes: cut })
  const rest = { offset: cut, sizeBytes: tar.length, body: chunks(tar, cut) }
  t.is((await store.upload('InstallMedia', 'm', rest)).sha256, sha256(tar))
  t.is((await store.readyMedium('m', AbortSignal.timeout(60_000))).target, 'debian-13')
})

test('a broken stream leaves its part, a longer one than was said leaves nothing usable', async (t) => {
  const store = await storeIn(t, await folderOf(t))
  const bytes = Buffer.alloc(200_000, 1)
  store.want({ media: new Map(), images: new Map([['i', imageOf('./root.tar')]]) })
  const broken = async function* (): AsyncGenerator<Buffer> {
    yield bytes.subarray(0, 100_000)
    throw new Error('the connection was reset')
  }
  const upload = { offset: 0, sizeBytes: bytes.length, body: broken() }
  await t.throwsAsync(store.upload('Image', 'i', upload), { message: /reset/ })
  t.like(store.status('Image', 'i'), { state: 'absent', bytes: 100_000 })
  const long = { offset: 0, sizeBytes: 100, body: chunks(bytes) }
  const error = await t.throwsAsync(store.upload('Image', 'i', long), { instanceOf: PurlinError })
  t.is(error?.code, 'PUR_MEDIA_OFFSET')
  t.is(store.placeOf({ tree: 'image', name: 'i' }), undefined)
})

function imageOf(file: string, checksum = '') {
  return imageSpec.parse({ family: 'debian', version: '13', file, sha256: checksum })
}

test('a root image of another checksum is refused and removed, the right one is kept', async (t) => {
  const folder = await folderOf(t)
  const store = await storeIn(t, folder)
  const good = Buffer.from('root file system')
  const spec = imageOf('./root.tar.zst', sha256(good))
  store.want({ media: new Map(), images: new Map([['i', spec]]) })
  const send = (bytes: Buffer) =>
    store.upload('Image', 'i', { offset: 0, sizeBytes: bytes.length, body: chunks(bytes) })
  const error = await t.throwsAsync(send(Buffer.from('another')), { instanceOf: PurlinError })
  t.is(error?.code, 'PUR_MEDIA_CHECKSUM')
  t.false(existsSync(join(folder, 'parts', 'Image.i')))
  t.like(await send(good), { state: 'ready', bytes: good.length })
  const image = await store.readyImage('i', AbortSignal.timeout(10_000))
  t.deepEqual(image, {
    name: 'i',
    path: '/image/i',
    sha256: sha256(good),
    packages: 'apt',
    backend: 'networkd',
  })
  t.is(store.placeOf({ tree: 'image', name: 'i' }), join(folder, 'files', sha256(good)))
})

test('a full disk is told before a byte is written', async (t) => {
  const folder = await folderOf(t)
  const store = await storeIn(t, folder, { freeBytes: async () => 300 * 1024 * 1024 })
  wantMedia(store, 'm', media('debian', '13'))
  const upload = { offset: 0, sizeBytes: 1024 ** 3, body: chunks(Buffer.alloc(10)) }
  const error = await t.throwsAsync(store.upload('InstallMedia', 'm', upload), {
    instanceOf: PurlinError,
  })
  t.is(error?.code, 'PUR_MEDIA_SPACE')
  t.false(existsSync(join(folder, 'parts', 'InstallMedia.m')))
})

test('two resources share one file, which goes with the last of them', async (t) => {
  const folder = await folderOf(t)
  const store = await storeIn(t, folder)
  const bytes = Buffer.from('root file system')
  const both = new Map([
    ['a', imageOf('./a')],
    ['b', imageOf('./b')],
  ])
  store.want({ media: new Map(), images: both })
  for (const name of ['a', 'b']) {
    const upload = { offset: 0, sizeBytes: bytes.length, body: chunks(bytes) }
    await store.upload('Image', name, upload)
  }
  const file = join(folder, 'files', sha256(bytes))
  store.want({ media: new Map(), images: new Map([['b', imageOf('./b')]]) })
  await store.close()
  t.true(existsSync(file))
  const again = await storeIn(t, folder)
  again.want({ media: new Map(), images: new Map() })
  await again.close()
  t.false(existsSync(file))
  t.throws(() => again.status('Image', 'a'), { instanceOf: PurlinError })
})

test('a restart checks what was kept: whole it is served on, damaged it is gone', async (t) => {
  const folder = await folderOf(t)
  const tar = await tarOf(t, DEBIAN)
  const first = await storeIn(t, folder)
  wantMedia(first, 'm', media('debian', '13'))
  await send(first, 'm', tar)
  await first.readyMedium('m', AbortSignal.timeout(60_000))
  await first.close()

  const kernel = join(folder, 'trees', 'm', 'debian-installer/amd64/linux')
  await writeFile(kernel, 'half a ker')
  const second = await storeIn(t, folder)
  wantMedia(second, 'm', media('debian', '13', './x.iso', sha256(tar)))
  t.truthy(second.placeOf({ tree: 'media', name: 'm' }))
  await second.readyMedium('m', AbortSignal.timeout(60_000))
  t.is(await readFile(kernel, 'utf8'), 'kernel')
  await second.close()

  await writeFile(join(folder, 'files', sha256(tar)), 'rubbish')
  const third = await storeIn(t, folder)
  wantMedia(third, 'm', media('debian', '13'))
  const error = await t.throwsAsync(third.readyMedium('m', AbortSignal.timeout(60_000)), {
    instanceOf: PurlinError,
  })
  t.is(error?.code, 'PUR_MEDIA_CHECKSUM')
  t.is(third.placeOf({ tree: 'media', name: 'm' }), undefined)
})

test('a store that closes does not wait for a sender who says nothing', async (t) => {
  const folder = await folderOf(t)
  const store = await storeIn(t, folder)
  store.want({ media: new Map(), images: new Map([['i', imageOf('./root.tar')]]) })
  let begun = (): void => {}
  const started = new Promise<void>((resolve) => {
    begun = resolve
  })
  const silent = async function* (): AsyncGenerator<Buffer> {
    yield Buffer.alloc(100)
    begun()
    await new Promise(() => {})
  }
  const upload = store.upload('Image', 'i', { offset: 0, sizeBytes: 200, body: silent() })
  const ended = t.throwsAsync(upload, { instanceOf: PurlinError })
  await started
  const busy = { offset: 0, sizeBytes: 200, body: silent() }
  const error = await t.throwsAsync(store.upload('Image', 'i', busy), { instanceOf: PurlinError })
  t.is(error?.code, 'PUR_MEDIA_BUSY')
  await store.close()
  t.is((await ended)?.code, 'PUR_CANCELLED')
  t.is((await stat(join(folder, 'parts', 'Image.i'))).size, 100)
  const again = await storeIn(t, folder)
  again.want({ media: new Map(), images: new Map() })
  await again.close()
  t.false(existsSync(join(folder, 'parts', 'Image.i')))
})

test('whoever waits for an upload is told what is missing when the time is over', async (t) => {
  const store = await storeIn(t, await folderOf(t))
  wantMedia(store, 'm', media('debian', '13'))
  const error = await t.throwsAsync(store.readyMedium('m', AbortSignal.timeout(20)), {
    instanceOf: PurlinError,
  })
  t.is(error?.code, 'PUR_MEDIA_ABSENT')
  t.regex(error?.message ?? '', /purlin bm media upload m FILE/)
  const gone = await t.throwsAsync(store.readyMedium('x', AbortSignal.timeout(20)), {
    instanceOf: PurlinError,
  })
  t.is(gone?.code, 'PUR_RESOURCE_MISSING')
})

/** A server whose connections break after `breakAfter` bytes, until it has been asked often. */
async function serve(
  t: ExecutionContext,
  file: Buffer,
  breakAfter = Number.POSITIVE_INFINITY,
): Promise<{ url: string; ranges: (string | undefined)[] }> {
  const ranges: (string | undefined)[] = []
  const server = createServer((request, response) => {
    ranges.push(request.headers.range)
    if (request.url !== '/file') {
      response.writeHead(404).end()
      return
    }
    const from = Number(/^bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0)
    const headers = { etag: '"1"', 'content-length': file.length - from }
    if (from > 0) {
      const range = `bytes ${from}-${file.length - 1}/${file.length}`
      response.writeHead(206, { ...headers, 'content-range': range })
    } else response.writeHead(200, headers)
    const to = Math.min(file.length, from + breakAfter)
    response.write(file.subarray(from, to), () => {
      if (to < file.length) response.destroy()
      else response.end()
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.closeAllConnections())
  t.teardown(() => void server.close())
  const { port } = server.address() as AddressInfo
  return { url: `http://127.0.0.1:${port}`, ranges }
}

const hasty = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  sleep: async (_ms: number, signal?: AbortSignal) =>
    await new Promise<void>((resolve, reject) => {
      if (_ms >= 60_000) signal?.addEventListener('abort', () => reject(signal.reason))
      else setImmediate(resolve)
    }),
}

test('an address is fetched; a broken connection goes on where it was', async (t) => {
  const file = Buffer.alloc(1_000_000, 3)
  const { url, ranges } = await serve(t, file, 300_000)
  const store = await storeIn(t, await folderOf(t), { clock: hasty })
  store.want({ media: new Map(), images: new Map([['i', imageOf(`${url}/file`, sha256(file))]]) })
  const image = await store.readyImage('i', AbortSignal.timeout(60_000))
  t.is(image.sha256, sha256(file))
  t.true(ranges.length >= 3)
  t.is(ranges[0], undefined)
  t.true(ranges.slice(1).every((range) => range !== undefined))
})

test('an address that is not there fails at once, and is asked again when it is needed', async (t) => {
  const file = Buffer.from('root')
  const { url, ranges } = await serve(t, file)
  const store = await storeIn(t, await folderOf(t), { clock: hasty })
  store.want({ media: new Map(), images: new Map([['i', imageOf(`${url}/gone`)]]) })
  const wait = () => store.readyImage('i', AbortSignal.timeout(60_000))
  const error = await t.throwsAsync(wait(), { instanceOf: PurlinError })
  t.is(error?.code, 'PUR_MEDIA_FETCH')
  t.regex(error?.message ?? '', /answered 404/)
  await t.throwsAsync(wait(), { instanceOf: PurlinError })
  t.is(ranges.length, 2)
  const changed = { media: new Map(), images: new Map([['i', imageOf(`${url}/file`)]]) }
  store.want(changed)
  t.is((await wait()).sha256, sha256(file))
})

test('a resource that goes takes its tree, its part and its record along', async (t) => {
  const folder = await folderOf(t)
  const store = await storeIn(t, folder)
  wantMedia(store, 'm', media('debian', '13'))
  await send(store, 'm', await tarOf(t, DEBIAN))
  await store.readyMedium('m', AbortSignal.timeout(60_000))
  store.want({ media: new Map(), images: new Map() })
  await store.close()
  const { stdout } = await run('find', [folder, '-type', 'f'], RUN)
  t.is(stdout, '')
  t.true((await stat(folder)).isDirectory())
})
