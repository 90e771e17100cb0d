# Builds both parts from the sources: `ember`, and on macOS `ember-vz` with the entitlement that Apple's framework asks for.
# The release workflow sets url and sha256.
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
    # What scripts/setup installs besides is for the tests.
    system "npm", "install", "--no-save", "--no-audit", "--no-fund"
    system "make", "-C", "guest", "build"
    system "scripts/bun", "scripts/build.ts", "host"
    bin.install "dist/ember"
    return unless OS.mac?

    cd "vz" do
      # Homebrew's own sandbox is around it already.
      system "swift", "build", "--disable-sandbox", "-c", "release", "--product", "ember-vz"
      system "codesign", "--force", "--sign", "-", "--timestamp=none",
             "--entitlements", "ember-vz.entitlements", ".build/release/ember-vz"
      bin.install ".build/release/ember-vz"
    end
  end

  test do
    assert_equal "ember #{version}", shell_output("#{bin}/ember version").strip
    if OS.mac?
      # A machine may not run in Homebrew's sandbox, but files are cloned, and the signature is looked at.
      (testpath/"disk").write "data"
      system bin/"ember-vz", "clone", testpath/"disk", testpath/"clone"
      assert_equal "data", (testpath/"clone").read
      assert_match "it may use virtualization", shell_output("#{bin}/ember-vz doctor")
    else
      ENV["EMBER_STATE_DIR"] = (testpath/"state").to_s
      (testpath/"root/etc").mkpath
      (testpath/"root/etc/hostname").write "tested\n"
      system "tar", "-cf", "root.tar", "-C", "root", "."
      system bin/"ember", "init", "--hypervisor", "qemu", "--storage", "qcow2"
      system bin/"ember", "image", "import", "root.tar", "--name", "tested"
      assert_equal "tested", shell_output("#{bin}/ember image list --quiet").strip
      system bin/"ember", "deinit", "--purge"
    end
  end
end
