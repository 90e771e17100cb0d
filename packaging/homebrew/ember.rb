# Builds both parts from the sources: `ember`, and on macOS `ember-vz` with the entitlement that Apple's framework asks for.
# The release workflow sets url and sha256. npm and Go fetch what their lock files name, so the build needs the network.
class Ember < Formula
  desc "MicroVMs from one command-line: copy-on-write disks, no daemon"
  homepage "https://ember.dev"
  url "https://ember.dev/releases/ember-0.1.0.tar.gz"
  sha256 "0000000000000000000000000000000000000000000000000000000000000000"
  license "Apache-2.0"

  depends_on "go" => :build
  depends_on "node" => :build
  depends_on "gnupg" # gpgv: the signatures of kernels
  depends_on "skopeo" # images of registries
  depends_on "xz"
  depends_on "zstd"

  on_macos do
    depends_on xcode: ["15.0", :build]
    depends_on macos: :ventura
  end

  on_linux do
    depends_on "qemu"
  end

  def install
    # Not `make build`: that sees to what the tests need, too.
    system "npm", "install", "--no-save", "--no-audit", "--no-fund"
    system "make", "-C", "guest", "build"
    system "make", "-C", "net", "host"
    system "scripts/bun", "scripts/build.ts", "host"
    # Bun leaves its own signature on Intel, which does not fit the program that was put in.
    sign "dist/ember" if OS.mac?
    # On Linux, Homebrew leaves Bun's programs as they are since August 2026 (Homebrew/brew#23589); older ones may break them.
    bin.install "dist/ember"
    generate_completions_from_executable(bin/"ember", "completion")
    return unless OS.mac?

    cd "vz" do
      # Homebrew's own sandbox is around it already.
      system "swift", "build", "--disable-sandbox", "-c", "release", "--product", "ember-vz"
      sign ".build/release/ember-vz", "--entitlements", "ember-vz.entitlements"
      # ember looks for it beside itself.
      bin.install ".build/release/ember-vz"
    end
  end

  # Ad hoc: no other signature without Apple's leave may have the entitlement.
  def sign(program, *options)
    system "codesign", "--force", "--sign", "-", "--timestamp=none", *options, program
  end

  test do
    assert_equal "ember #{version}", shell_output("#{bin}/ember version").strip
    ENV["EMBER_STATE_DIR"] = (testpath/"state").to_s
    (testpath/"root/etc").mkpath
    (testpath/"root/etc/hostname").write "tested\n"
    system "tar", "-cf", "root.tar", "-C", "root", "."
    if OS.mac?
      (testpath/"disk").write "data"
      system bin/"ember-vz", "clone", "disk", "clone"
      assert_equal "data", (testpath/"clone").read
      doctor = shell_output("#{bin}/ember-vz doctor")
      assert_match "it may use virtualization", doctor
      # A Mac that is itself virtual runs no machines, and init says so.
      next unless doctor.include?('"name":"virtualization","ok":true')

      system bin/"ember", "init"
    else
      system bin/"ember", "init", "--hypervisor", "qemu", "--storage", "qcow2"
    end
    system bin/"ember", "image", "import", "root.tar", "--name", "tested"
    images = JSON.parse(shell_output("#{bin}/ember image list --format json"))
    assert_equal ["tested"], images.map { |image| image["name"] }
    system bin/"ember", "deinit", "--purge"
    refute_path_exists testpath/"state"
  end
end
