/** One configuration for every workspace: TypeScript by type stripping, workspace packages by
 *  source. */
export default {
  extensions: ['ts'],
  nodeArguments: ['--conditions=purlin-source', '--disable-warning=ExperimentalWarning'],
  files: ['src/**/*.test.ts'],
  timeout: '2m',
}
