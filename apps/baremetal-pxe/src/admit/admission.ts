import { type Clock, type Problem, PurlinError } from '@purlin/base'
import type { InstallerTarget } from '@purlin/deployment-template'
import {
  checkBareMetal,
  checkManifest,
  type DiscoveryReport,
  type EraseDepth,
  installerOf,
  isBareMetalKind,
  type Kind,
  type Manifest,
  withServiceNetworks,
} from '@purlin/schema'
import {
  type Admission,
  type AdmittedChange,
  admittedChange,
  type Catalogue,
  invalidManifest,
  knownNamesOf,
  nextRecord,
  type ResourceChange,
  type ResourceRecord,
  resourceKey,
  unusedRecord,
  writtenChange,
} from '@purlin/service'
import type { Store, Write } from '@purlin/store'
import { scriptsOf, usersOf } from '../secrets/file-contents.ts'
import type { FileTexts, ManifestFiles, SentFiles } from '../secrets/manifest-files.ts'
import { ADDRESS_PREFIX, readAddresses } from '../service/address-records.ts'
import { type ReleaseRecord, releaseKey } from '../service/release-records.ts'
import { allotAddresses } from './addresses.ts'
import { contentProblems } from './contents.ts'
import { examineInstallation, type InstallationSource } from './installation.ts'
import { changesUnderWay, type LifeOf, refuseBusyChassis } from './under-way.ts'

/** What comes beside the documents of a change. */
export interface Beside {
  readonly files?: SentFiles | undefined
  /** How the disks of an instance that is deleted are erased, if not as it says itself. */
  readonly erase?: EraseDepth | undefined
}

export interface AdmissionGrounds {
  readonly clock: Clock
  readonly store: Pick<Store, 'list'>
  readonly files: ManifestFiles
  readonly lifeOf: LifeOf
  /** The newest discovery report of a chassis. */
  readonly reportOf: (chassis: string) => Promise<DiscoveryReport | undefined>
  /** SHA-256 of an image that is here. */
  readonly imageSha256: (image: string) => string | undefined
  /** Whether a BMC's account can be carried by its protocol; a problem is told without it. */
  readonly accountProblem: (
    chassis: Extract<Manifest, { kind: 'Chassis' }>,
    account: { readonly username: string; readonly password: string },
  ) => string | undefined
  /** Addresses of this host. */
  readonly ownAddresses: () => Promise<readonly string[]>
}

type Of<K extends Kind> = Extract<Manifest, { kind: K }>

/** Decides on the changes of a deployment network's resources: everything that can be known before
 *  a chassis is touched is found out here. */
export function createAdmission(grounds: AdmissionGrounds): Admission<Beside> {
  return {
    apply: (catalogue, documents, beside) => admitApply(grounds, catalogue, documents, beside),
    remove: (catalogue, kind, name, beside) => admitRemove(grounds, catalogue, kind, name, beside),
  }
}

/** Says who serves a kind that this daemon does not. Pure. */
export function servedByHosts(kind: Kind): string {
  return `${kind} is of purlin-host-agent, the agent of a host, not of the daemon of a deployment network; apply it there`
}

async function admitApply(
  grounds: AdmissionGrounds,
  catalogue: Catalogue,
  documents: readonly unknown[],
  beside: Beside | undefined,
): Promise<AdmittedChange> {
  const checked = checkManifest(documents, knownNamesOf(catalogue))
  if (checked.manifests === undefined) throw invalidManifest(checked.problems)
  const { manifests } = checked
  for (const { kind, name } of manifests) {
    if (isBareMetalKind(kind)) continue
    const message = `${kind} ${name}: ${servedByHosts(kind)}; nothing was applied`
    throw new PurlinError('PUR_KIND_NOT_SERVED', { message, context: { kind, name } })
  }
  const after = manifestsAfter(catalogue, manifests)
  refuse(placedProblems(manifests, checkBareMetal(after)))
  refuse(changesUnderWay(catalogue, manifests, grounds.lifeOf))
  const files = await grounds.files.plan(manifests, beside?.files ?? {})
  refuse(files.problems)
  refuse(contentProblems(manifests, files.texts))
  const textsOf = async (manifest: Manifest): Promise<FileTexts> =>
    files.texts.get(`${manifest.kind}/${manifest.name}`) ?? (await grounds.files.read(manifest))
  refuse(await accountProblems(grounds, manifests, after, textsOf))
  const addresses = await addressWrites(grounds, manifests, after)
  refuse(await installationProblems(grounds, manifests, after, textsOf))
  const nowMs = grounds.clock.nowMs()
  const records = manifests.map((manifest) => nextRecord(catalogue, manifest, nowMs))
  const change = admittedChange(catalogue, records, [])
  const touched = new Set(files.changed.map(({ kind, name }) => resourceKey(kind, name)))
  const renewed = records.flatMap((record) => renewal(catalogue, change, record, touched))
  const whole = writtenChange([...change.changes, ...renewed])
  return { ...whole, writes: [...whole.writes, ...files.writes, ...addresses] }
}

/** A resource whose document is the same and whose files are not has changed all the same. */
function renewal(
  catalogue: Catalogue,
  change: AdmittedChange,
  record: ResourceRecord,
  touched: ReadonlySet<string>,
): ResourceChange[] {
  const { kind, name } = record.manifest
  const before = catalogue.get(kind, name)
  if (before === undefined || !touched.has(resourceKey(kind, name))) return []
  if (change.changes.some((one) => one.kind === kind && one.name === name)) return []
  const after = { ...record, generation: before.generation + 1 }
  return [{ action: 'update', kind, name, before, after }]
}

async function admitRemove(
  grounds: AdmissionGrounds,
  catalogue: Catalogue,
  kind: Kind,
  name: string,
  beside: Beside | undefined,
): Promise<AdmittedChange> {
  const standing = unusedRecord(catalogue, kind, name)
  if (kind === 'Chassis') refuseBusyChassis(name, grounds.lifeOf)
  const change = admittedChange(catalogue, [], [standing])
  const writes: Write[] = [...change.writes, ...(await grounds.files.forget(standing.manifest))]
  if (kind === 'Chassis') writes.push({ delete: `${ADDRESS_PREFIX}${name}` })
  if (standing.manifest.kind === 'BareMetalInstance') {
    const { chassis, release } = standing.manifest.spec
    const value: ReleaseRecord = {
      instance: name,
      uid: standing.uid,
      erase: beside?.erase ?? release,
      atMs: grounds.clock.nowMs(),
    }
    writes.push({ put: releaseKey(chassis), value })
  }
  return { ...change, writes }
}

function manifestsAfter(catalogue: Catalogue, manifests: readonly Manifest[]): Manifest[] {
  const changed = new Set(manifests.map(({ kind, name }) => resourceKey(kind, name)))
  const kept = catalogue
    .all()
    .map(({ manifest }) => manifest)
    .filter(({ kind, name }) => !changed.has(resourceKey(kind, name)))
  return [...kept, ...manifests]
}

/** Problems by the document in which they are; those of resources that stand already are told with
 *  their name. */
function placedProblems(
  manifests: readonly Manifest[],
  found: readonly (Problem & { readonly kind: Kind; readonly name: string })[],
): Problem[] {
  return found.map(({ kind, name, path, message }) => {
    const document = manifests.findIndex((one) => one.kind === kind && one.name === name)
    if (document >= 0) return { document, path, message }
    return { path, message: `${kind} ${name}: ${message}` }
  })
}

function refuse(problems: readonly Problem[]): void {
  if (problems.length > 0) throw invalidManifest(problems)
}

/** Accounts of chassis in the change, and of those whose secret is. */
async function accountProblems(
  grounds: AdmissionGrounds,
  manifests: readonly Manifest[],
  after: readonly Manifest[],
  textsOf: (manifest: Manifest) => Promise<FileTexts>,
): Promise<Problem[]> {
  const problems: Problem[] = []
  for (const chassis of after) {
    if (chassis.kind !== 'Chassis') continue
    const secret = named(after, 'Secret', chassis.spec.bmc.secret)
    if (secret === undefined || ![chassis, secret].some((one) => manifests.includes(one))) continue
    const text = (await textsOf(secret)).get(secret.spec.passwordFile) ?? ''
    const account = { username: secret.spec.username ?? '', password: text.replace(/\r?\n$/, '') }
    const message = grounds.accountProblem(chassis, account)
    if (message === undefined) continue
    const path = manifests.includes(secret) ? 'spec.passwordFile' : 'spec.bmc.secret'
    const document = manifests.indexOf(manifests.includes(secret) ? secret : chassis)
    problems.push({ document, path, message })
  }
  return problems
}

async function addressWrites(
  grounds: AdmissionGrounds,
  manifests: readonly Manifest[],
  after: readonly Manifest[],
): Promise<readonly Write[]> {
  const standing = await readAddresses(grounds.store)
  const { addresses, problems } = allotAddresses({
    networks: after.filter(
      (one): one is Of<'DeploymentNetwork'> => one.kind === 'DeploymentNetwork',
    ),
    chassis: after.filter((one): one is Of<'Chassis'> => one.kind === 'Chassis'),
    standing,
    own: await grounds.ownAddresses(),
  })
  refuse(
    placedProblems(
      manifests,
      problems.map((one) => ({ ...one, kind: 'Chassis' as const, name: one.chassis })),
    ),
  )
  return [...addresses].flatMap(([chassis, value]): Write[] => {
    const before = standing.get(chassis)
    if (before?.network === value.network && before.address === value.address) return []
    return [{ put: `${ADDRESS_PREFIX}${chassis}`, value }]
  })
}

/** Instances of the change whose chassis has reported what it has. */
async function installationProblems(
  grounds: AdmissionGrounds,
  manifests: readonly Manifest[],
  after: readonly Manifest[],
  textsOf: (manifest: Manifest) => Promise<FileTexts>,
): Promise<Problem[]> {
  const problems: Problem[] = []
  for (const [document, manifest] of manifests.entries()) {
    if (manifest.kind !== 'BareMetalInstance') continue
    const { spec } = manifest
    const life = grounds.lifeOf(spec.chassis)
    // What runs, or is being installed, was judged when it began.
    if (life?.deployment?.instance === manifest.name && life.state !== 'failed') continue
    const report = await grounds.reportOf(spec.chassis)
    const chassis = named(after, 'Chassis', spec.chassis)
    const template = named(after, 'DeploymentTemplate', spec.template)
    const source = sourceOf(after, spec.source, grounds)
    if (!report || !chassis || !template || !source) continue
    const texts = await textsOf(template)
    const served = withServiceNetworks(
      template.spec,
      spec.service,
      (name) => named(after, 'PortGroup', name)?.spec,
    )
    const found = examineInstallation({
      spec: served.spec,
      users: usersOf(template.spec, texts),
      scripts: scriptsOf(template.spec, texts),
      hostname: spec.hostname ?? manifest.name,
      bootMac: chassis.spec.bootMac,
      firmware: chassis.spec.firmware,
      source,
      report,
    })
    const inManifest = manifests.indexOf(template)
    problems.push(
      ...found.problems.map(({ path, message }): Problem => {
        if (path.startsWith('inputs.')) return { document, path: `spec.${path.slice(7)}`, message }
        if (inManifest >= 0) return { document: inManifest, path: `spec.${path}`, message }
        const words = `DeploymentTemplate ${template.name}, spec.${path}: ${message}`
        return { document, path: 'spec.template', message: words }
      }),
    )
  }
  return problems
}

/** Where an instance's system comes from, as far as it is known; undefined where it is not. */
export function sourceOf(
  manifests: readonly Manifest[],
  source: Of<'BareMetalInstance'>['spec']['source'],
  { imageSha256 }: Pick<AdmissionGrounds, 'imageSha256'>,
): InstallationSource | undefined {
  if ('media' in source) {
    const media = named(manifests, 'InstallMedia', source.media)
    if (media === undefined) return undefined
    const target = installerOf(media.spec.family, media.spec.version)
    return target === undefined
      ? undefined
      : { media: source.media, target: target as InstallerTarget }
  }
  const image = named(manifests, 'Image', source.image)
  if (image === undefined) return undefined
  const sha256 = imageSha256(source.image)
  return { image: source.image, spec: image.spec, ...(sha256 !== undefined && { sha256 }) }
}

function named<K extends Kind>(
  manifests: readonly Manifest[],
  kind: K,
  name: string,
): Of<K> | undefined {
  return manifests.find((one): one is Of<K> => one.kind === kind && one.name === name)
}
