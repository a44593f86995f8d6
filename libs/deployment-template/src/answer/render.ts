import { failure, type Problem, type Result, success } from '@purlin/base'
import { checkInputs } from '../inputs.ts'
import { postStep } from '../post-step.ts'
import { agama } from './agama.ts'
import { autoinstall } from './autoinstall.ts'
import { autoyast } from './autoyast.ts'
import { kickstart } from './kickstart.ts'
import { preseed } from './preseed.ts'
import type { AnswerRequest, InstallerTarget, Renderer } from './target.ts'

const renderers: Readonly<Record<InstallerTarget, Renderer>> = {
  'rhel-9': kickstart,
  'rhel-10': kickstart,
  'debian-12': preseed,
  'debian-13': preseed,
  'ubuntu-22.04': autoinstall,
  'ubuntu-24.04': autoinstall,
  'sles-15': autoyast,
  'sles-16': agama,
}

/** A file that a node fetches below `/file/`. */
export interface NodeFile {
  readonly name: string
  readonly content: string
  /** Holds a hash, or a script that may: served once, never listed. */
  readonly secret: boolean
}

/** The files of one unattended installation: `answer` for the installer, and those that it fetches
 *  while it runs (`post.sh`, `before-N.sh`, `after-N.sh`). */
export interface AnswerFiles {
  readonly answer: NodeFile
  readonly files: readonly NodeFile[]
}

/** Renders a template that fits a chassis for one installer. Pure and total. Errors: every input
 *  that cannot be rendered, and everything that this installer cannot do, with its path. */
export function renderAnswer(request: AnswerRequest): Result<AnswerFiles, readonly Problem[]> {
  const { spec, inputs, target } = request
  const renderer = renderers[target]
  const problems = [...checkInputs(spec, inputs), ...renderer.refusals(request)]
  if (problems.length > 0) return failure(problems)
  const answer = { ...renderer.render(request), secret: true }
  return success({
    answer,
    files: [
      { name: 'post.sh', content: postStep(spec, inputs, renderer.backend), secret: true },
      ...scriptFiles('before', inputs.scripts.before),
      ...scriptFiles('after', inputs.scripts.after),
    ],
  })
}

/** The template's scripts as files, unchanged. */
export function scriptFiles(when: 'before' | 'after', scripts: readonly string[]): NodeFile[] {
  return scripts.map((content, index) => ({ name: `${when}-${index}.sh`, content, secret: true }))
}
