import Bytes
import ObjectStore
import TestSupport
import Testing

@testable import Remote

@Suite struct AzureLocationTests {
    @Test(arguments: [
        ("azblob://account1/backups", "backups", ""), ("azblob://account1/my-backups/", "my-backups", ""),
        ("azblob://account1/backups/prod/eu", "backups", "prod/eu"), ("azblob://account1/000/a.b", "000", "a.b"),
    ])
    func whatIsRead(_ text: String, _ container: String, _ prefix: String) throws {
        let location = try AzureLocation(text)
        #expect(location.account == "account1")
        #expect(location.container == container)
        #expect(location.prefix == prefix)
        #expect(try AzureLocation(location.description).description == location.description)
    }

    @Test(arguments: [
        "", "azblob://", "azblob://account1", "azblob://account1/", "azblob://Account/backups", "azblob://ab/backups",
        "azblob://account1/ba", "azblob://account1/back--ups", "azblob://account1/-backups",
        "azblob://account1/Backups",
        "azblob://account1/backups//prod", "azblob://account1/backups/Prod", "azblob://account1/backups/../x",
        "azblob://account1/backups?sv=1", "https://account1/backups",
    ])
    func whatIsRefused(_ text: String) {
        expectError(.usage) { _ = try AzureLocation(text) }
    }

    @Test func namesGoThereAndBack() throws {
        let name = ObjectName(trusted: "packs/ab/cd")
        for text in ["azblob://account1/backups", "azblob://account1/backups/prod/eu"] {
            let location = try AzureLocation(text)
            #expect(location.object(ofBlob: location.blob(name.path)) == name)
        }
        #expect(try AzureLocation("azblob://account1/backups/prod").object(ofBlob: "production/config") == nil)
    }
}
