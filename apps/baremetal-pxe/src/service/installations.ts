import { PurlinError } from '@purlin/base'
import {
  type InstallationPlan,
  type Kind,
  type SpecOf,
  type StoredReport,
  withServiceNetworks,
} from '@purlin/schema'
import type { Catalogue, StoredRecord } from '@purlin/service'
import { sourceOf } from '../admit/admission.ts'
import { examineInstallation } from '../admit/installation.ts'
import type { PlanQuestion } from '../api/installation-calls.ts'
import { installationPlanOf } from '../api/installation-plan.ts'
import type { InstanceInputs } from '../life/index.ts'
import { scriptsOf, usersOf } from '../secrets/file-contents.ts'
import type { ManifestFiles } from '../secrets/manifest-files.ts'

export interface InstallationGrounds {
  readonly catalogue: () => Catalogue
  readonly files: Pick<ManifestFiles, 'read'>
  /** The newest of a chassis. */
  readonly reportOf: (chassis: string) => Promise<StoredReport | undefined>
  readonly imageSha256: (image: string) => string | undefined
}

/** What instances are made of: their templates with the texts of their files. */
export class Installations {
  readonly #grounds: InstallationGrounds

  constructor(grounds: InstallationGrounds) {
    this.#grounds = grounds
  }

  /** What a node that becomes the instance is given. Errors: PUR_RESOURCE_MISSING,
   *  PUR_SECRET_MISSING, PUR_INVALID for service networks that the template cannot carry. */
  async inputsOf(instance: string): Promise<InstanceInputs> {
    const { spec } = this.#record('BareMetalInstance', instance).manifest
    const { hostname = instance, source, template, service } = spec
    return await this.#inputs(template, { hostname, source, service })
  }

  /** What an instance's installation would do, or did. Errors: as inputsOf. */
  async planOf(instance: string): Promise<InstallationPlan> {
    const { spec } = this.#record('BareMetalInstance', instance).manifest
    const { hostname = instance, service } = spec
    return await this.#plan(spec, { hostname, service })
  }

  /** What a template would become on a chassis. Errors: as inputsOf. */
  async planFor(question: PlanQuestion): Promise<InstallationPlan> {
    return await this.#plan(question, { hostname: question.chassis, service: [] })
  }

  async #inputs(
    template: string,
    of: Pick<InstanceInputs, 'hostname' | 'source'> & {
      readonly service: SpecOf<'BareMetalInstance'>['service']
    },
  ): Promise<InstanceInputs> {
    const { manifest } = this.#record('DeploymentTemplate', template)
    const texts = await this.#grounds.files.read(manifest)
    const catalogue = this.#grounds.catalogue()
    const served = withServiceNetworks(
      manifest.spec,
      of.service,
      (name) => catalogue.get('PortGroup', name)?.manifest.spec,
    )
    if (served.problems.length > 0) {
      const words = served.problems.map(({ path, message }) => `${path}: ${message}`).join('; ')
      throw new PurlinError('PUR_INVALID', { message: words, problems: served.problems })
    }
    return {
      ...{ spec: served.spec, source: of.source, hostname: of.hostname },
      users: usersOf(manifest.spec, texts),
      scripts: scriptsOf(manifest.spec, texts),
    }
  }

  async #plan(
    { template, chassis, source }: PlanQuestion,
    of: {
      readonly hostname: string
      readonly service: SpecOf<'BareMetalInstance'>['service']
    },
  ): Promise<InstallationPlan> {
    const { catalogue, reportOf, imageSha256 } = this.#grounds
    const record = this.#record('Chassis', chassis)
    const inputs = await this.#inputs(template, { source: source ?? { media: '' }, ...of })
    const manifests = catalogue()
      .all()
      .map(({ manifest }) => manifest)
    const from = source && sourceOf(manifests, source, { imageSha256 })
    const report = await reportOf(chassis)
    const missing =
      source === undefined
        ? { path: 'source', message: 'name media or image to have it rendered' }
        : from === undefined
          ? { path: 'source', message: `no ${words(source)}` }
          : report === undefined
            ? { path: 'chassis', message: `chassis ${chassis} has not been discovered yet` }
            : undefined
    const found =
      missing !== undefined || from === undefined || report === undefined
        ? { problems: missing === undefined ? [] : [missing] }
        : examineInstallation({
            ...inputs,
            bootMac: record.manifest.spec.bootMac,
            firmware: record.manifest.spec.firmware,
            source: from,
            report: report.report,
          })
    const { users, scripts } = inputs
    const secrets = [
      // However a format quotes a hash, its last part stands in it as it is.
      ...users.flatMap(({ passwordHash = '' }) => [
        passwordHash,
        passwordHash.split('$').at(-1) ?? '',
      ]),
      ...[...scripts.before, ...scripts.after].map((text) => text.trim()),
    ]
    const subject = {
      ...{ chassis, template, spec: inputs.spec, secrets },
      source: source === undefined ? 'none' : words(source),
      ...(report && { report: report.id }),
      ...(from && 'target' in from && { target: from.target }),
    }
    return installationPlanOf(subject, found)
  }

  #record<K extends Kind>(kind: K, name: string): StoredRecord<K> {
    const record = this.#grounds.catalogue().get(kind, name)
    if (record !== undefined) return record
    throw new PurlinError('PUR_RESOURCE_MISSING', { message: `no ${kind} named ${name}` })
  }
}

function words(source: NonNullable<PlanQuestion['source']>): string {
  return 'media' in source ? `media ${source.media}` : `image ${source.image}`
}
