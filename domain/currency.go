package domain

import "strings"

// minorDigits are the currencies that a hotel may have, by how many digits their minor units have: the money of countries in list one of ISO 4217, as its
// maintenance agency (SIX) published it on 1 January 2026. Units of account, precious metals and codes for tests are not among them: nobody pays for a room in those.
var minorDigits = currencies(map[int]string{
	0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF",
	2: `AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CNY COP CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP
		GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN
		NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH
		USD UYU UZS VED VES WST XCD XCG YER ZAR ZMW ZWG`,
	3: "BHD IQD JOD KWD LYD OMR TND",
})

// oldMinorDigits are codes that hotels could be given when any three letters were taken, where they do not have two digits. Their amounts keep their meaning.
var oldMinorDigits = currencies(map[int]string{0: "UYI", 4: "CLF UYW"})

func currencies(lists map[int]string) map[string]int {
	all := map[string]int{}
	for digits, list := range lists {
		for _, code := range strings.Fields(list) {
			all[code] = digits
		}
	}
	return all
}

// MinorDigits returns how many digits the minor units of a currency have: amounts of EUR have two behind the point, of JPY none, of BHD three. Every code has an
// answer, for a hotel keeps the currency that it was made with.
func MinorDigits(code string) int {
	if digits, ok := minorDigits[code]; ok {
		return digits
	}
	if digits, ok := oldMinorDigits[code]; ok {
		return digits
	}
	return 2
}

// MinorPerUnit returns how many minor units one unit of a currency has: 100 for EUR, 1 for JPY.
func MinorPerUnit(code string) int64 {
	n := int64(1)
	for range MinorDigits(code) {
		n *= 10
	}
	return n
}

// ValidateCurrency returns an *Error with reason InvalidArgument unless code is a currency that a hotel may have.
func ValidateCurrency(code, field string) error {
	if err := ValidateCurrencyCode(code, field); err != nil {
		return err
	}
	if _, ok := minorDigits[code]; !ok {
		return Errorf(InvalidArgument, field, "%s is not the currency of a country in ISO 4217", code)
	}
	return nil
}

// ValidateCurrencyCode returns an *Error with reason InvalidArgument unless code is three capital letters: amounts of a hotel that is there are in its currency, which
// may be one that no hotel would be given now.
func ValidateCurrencyCode(code, field string) error {
	if len(code) == 3 && isUpper(code[0]) && isUpper(code[1]) && isUpper(code[2]) {
		return nil
	}
	return Errorf(InvalidArgument, field, "%.16q is not an ISO 4217 currency code such as EUR", code)
}

func isUpper(c byte) bool { return 'A' <= c && c <= 'Z' }
