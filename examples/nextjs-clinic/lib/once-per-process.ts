/**
 * One value for the whole process. A module variable is not enough: Next bundles instrumentation and each route
 * separately, so each would get a variable, and a database, of its own.
 */
export function oncePerProcess<T>(name: string, make: () => T): T {
  const key = Symbol.for(`nextjs-clinic.${name}`)
  const store = globalThis as unknown as Record<symbol, T | undefined>
  return (store[key] ??= make())
}

export function forget(name: string): void {
  delete (globalThis as unknown as Record<symbol, unknown>)[Symbol.for(`nextjs-clinic.${name}`)]
}
