/** A file of a package: `source` is a path of the staging folder. */
export interface PackageFile {
  readonly source: string
  readonly path: string
  readonly mode: 0o644 | 0o755
  /** Belongs to the administrator: an upgrade never overwrites changes. */
  readonly configuration?: true
}

/** What another package is called in each world; the RPM name is absent where one world has no such
 *  package. */
export interface Requirement {
  readonly deb: string
  readonly rpm?: string
}

/** One package of both worlds. */
export interface PackageContents {
  readonly name: string
  readonly summary: string
  readonly description: string
  readonly files: readonly PackageFile[]
  readonly requires: readonly Requirement[]
  readonly recommends: readonly Requirement[]
  /** Whose scripts it carries, for its units and its group. */
  readonly scripts: 'agent' | 'blockd' | 'bm-agent' | 'baremetal' | undefined
}

export const file = (
  source: string,
  path: string,
  mode: PackageFile['mode'] = 0o644,
): PackageFile => ({
  source,
  path,
  mode,
})

export const licence = (name: string): PackageFile =>
  file('copyright', `/usr/share/doc/${name}/copyright`)

/** An addon in the folder where a bundle looks for it. */
export const addon = (source: string, bundleFolder: string, binding: string): PackageFile =>
  file(source, `${bundleFolder}/native/${binding}.linux-${process.arch}-gnu.node`)

/** A package of the same version. */
export const own = (name: string, version: string): Requirement => ({
  deb: `${name} (= ${version})`,
  rpm: `${name} = ${version}-1`,
})
