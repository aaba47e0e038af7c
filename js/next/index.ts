/**
 * `hl7-outbox/next`: tells Next.js to leave the package in node_modules. Next bundles what it is not told to leave alone,
 * and a native addon cannot be bundled. Works in next.config.js, .mjs and .ts, for Next 14, 15 and 16 and both bundlers.
 */
import { nextMajor } from './next-major.js'
import { tracedFiles } from './traced-files.js'

const PACKAGE = 'hl7-outbox'
/** Files for `output: 'standalone'` are chosen by route; any route, or instrumentation, may use the outbox. */
const EVERY_ROUTE = '/**'

/** What is read and written of a Next configuration; the rest passes through untouched. */
interface Bundling {
  serverExternalPackages?: string[]
  outputFileTracingIncludes?: Record<string, string[]>
  experimental?: {
    instrumentationHook?: boolean
    serverComponentsExternalPackages?: string[]
    outputFileTracingIncludes?: Record<string, string[]>
  }
}

/** Wraps a configuration that is a function, sync or async; the result is one too. */
export function withHl7Outbox<Config extends object, Args extends unknown[]>(
  config: (...args: Args) => Config | Promise<Config>,
): (...args: Args) => Promise<Config>
/** Wraps a configuration object, or stands alone: `export default withHl7Outbox()`. Never changes its argument. */
export function withHl7Outbox<Config extends object = object>(config?: Config): Config
export function withHl7Outbox(config: object | ((...args: unknown[]) => unknown) = {}): unknown {
  if (typeof config === 'function') {
    const configure = config as (...args: unknown[]) => unknown
    return async (...args: unknown[]) => extend((await configure(...args)) as Bundling)
  }
  return extend(config)
}

function extend(config: Bundling): Bundling {
  return nextMajor() < 15 ? extend14(config) : extend15(config)
}

/** Next 14 keeps the settings under `experimental`, and runs instrumentation.ts only if asked to. */
function extend14(config: Bundling): Bundling {
  const { experimental = {} } = config
  return {
    ...config,
    experimental: {
      ...experimental,
      instrumentationHook: experimental.instrumentationHook ?? true,
      serverComponentsExternalPackages: withPackage(experimental.serverComponentsExternalPackages),
      outputFileTracingIncludes: withFiles(experimental.outputFileTracingIncludes),
    },
  }
}

function extend15(config: Bundling): Bundling {
  return {
    ...config,
    serverExternalPackages: withPackage(config.serverExternalPackages),
    outputFileTracingIncludes: withFiles(config.outputFileTracingIncludes),
  }
}

function withPackage(names: readonly string[] = []): string[] {
  return names.includes(PACKAGE) ? [...names] : [...names, PACKAGE]
}

function withFiles(includes: Readonly<Record<string, string[]>> = {}): Record<string, string[]> {
  const known = includes[EVERY_ROUTE] ?? []
  return { ...includes, [EVERY_ROUTE]: [...new Set([...known, ...tracedFiles()])] }
}
