import { readdir, stat } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { PurlinError } from '@purlin/base'
import { readShardFileName } from './layout.ts'
import { fileStep } from './partial-file.ts'

/** The shard files that `inputs` name: files as they are, and of each folder its files named
 *  `NAME.shard-NN`.
 *  Errors: PUR_EC_SHARD_FILE for a folder with none, or with those of several files. */
export async function shardPaths(inputs: readonly string[]): Promise<readonly string[]> {
  const paths: string[] = []
  for (const input of inputs) {
    const stats = await fileStep(`cannot read ${input}`, () => stat(input))
    if (stats.isDirectory()) paths.push(...(await pathsIn(input)))
    else paths.push(input)
  }
  return [...new Set(paths)]
}

/** The name of the file that shard files were made of, as their own names tell it; undefined where
 *  they do not, or tell several. Errors: as `shardPaths`. */
export async function nameOfShards(inputs: readonly string[]): Promise<string | undefined> {
  const read = (await shardPaths(inputs)).map((path) => readShardFileName(basename(path))?.name)
  const [first, ...others] = new Set(read)
  return others.length === 0 ? first : undefined
}

async function pathsIn(folder: string): Promise<readonly string[]> {
  const names = await fileStep(`cannot read ${folder}`, () => readdir(folder))
  const shards = names.toSorted().flatMap((name) => {
    const read = readShardFileName(name)
    return read === undefined ? [] : [{ path: join(folder, name), of: read.name }]
  })
  const files = [...new Set(shards.map(({ of }) => of))]
  if (files.length === 0) throw unclear(folder, 'it holds no file named NAME.shard-NN')
  if (files.length > 1) {
    const pattern = join(folder, `${files[0]}.shard-*`)
    throw unclear(folder, `it holds shards of ${files.join(', ')}; name those meant: ${pattern}`)
  }
  return shards.map(({ path }) => path)
}

function unclear(folder: string, found: string): PurlinError {
  return new PurlinError('PUR_EC_SHARD_FILE', {
    message: `cannot choose shard files of ${folder}: ${found}`,
    context: { folder },
  })
}
