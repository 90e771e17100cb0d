import EmberVZ
import EmberVZFramework
import Foundation

let help = """
  usage: ember-vz run --kernel FILE --cpus N --memory MIB --console-log FILE [--initrd FILE] [--disk FILE[,ro]]...
                      [--boot-args TEXT] [--network nat|socket:PATH|none] [--mac ADDRESS] [--vsock PATH]
                      [--control PATH] [--ready-fd N] [--share TAG=DIR]... [--machine-id FILE] [--restore FILE|--wait]
                      [--forward tcp|udp:ADDRESS:HOSTPORT:GUESTPORT]... [--name TEXT]
         ember-vz clone [--for PID] SOURCE TARGET...
         ember-vz extents FILE...
         ember-vz doctor

  """

func fail(_ failure: Failure) -> Never {
  FileHandle.standardError.write(Data("ember-vz: \(failure)\n".utf8))
  exit(failure.exitStatus)
}

func attempt(_ body: () throws -> Void) {
  do {
    try body()
  } catch {
    fail(error as? Failure ?? Failure(.system, "\(error)"))
  }
}

@MainActor
func obey(_ arguments: [String]) {
  switch arguments.first {
  case "run":
    attempt { serve(try parseRun(Array(arguments.dropFirst()))) }
  case "clone":
    attempt { try clone(Array(arguments.dropFirst())) }
  case "extents":
    attempt { print(try extentsJSON(Array(arguments.dropFirst()))) }
  case "doctor":
    print(doctorJSON(framework: AppleFramework()))
  case "--help", "-h":
    print(help, terminator: "")
  default:
    fail(Failure(.usage, "there is no command '\(arguments.first ?? "")'\n\(help)"))
  }
}

/// Never returns: the machine ends this process.
@MainActor
func serve(_ options: RunOptions) -> Never {
  signal(SIGPIPE, SIG_IGN)  // who talks to the guest may hang up
  umask(0o077)  // what the framework writes is about the guest
  raiseFileLimit()
  let runner = Runner(framework: AppleFramework(), options: options)
  let sources = [
    onSignal(SIGTERM) { await runner.shutDown() },
    onSignal(SIGINT) { await runner.shutDown() },
    onSignal(SIGUSR1) { await runner.pause() },
    onSignal(SIGUSR2) { await runner.resume() },
  ]
  Task { @MainActor in
    do {
      try await runner.run()
      exit(0)
    } catch {
      fail(error as? Failure ?? Failure(.system, "\(error)"))
    }
  }
  withExtendedLifetime(sources) { dispatchMain() }
}

func onSignal(_ number: Int32, _ body: @escaping @MainActor () async -> Void) -> any DispatchSourceSignal {
  signal(number, SIG_IGN)  // the source hears of it all the same
  let source = DispatchSource.makeSignalSource(signal: number, queue: .main)
  source.setEventHandler { Task { @MainActor in await body() } }
  source.resume()
  return source
}

MainActor.assumeIsolated { obey(Array(CommandLine.arguments.dropFirst())) }
