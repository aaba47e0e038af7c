// Next compiles this file for the edge runtime too, so everything that needs Node stays behind the condition in a file of its own.
export async function register(): Promise<void> {
  if (process.env.NEXT_RUNTIME === 'nodejs') {
    const { startClinic } = await import('./instrumentation.node')
    await startClinic()
  }
}
